//! Waking at a moment, to some 0.1 ms: tokio's own timers are late by up to 2 ms, which would count
//! as latency of every call.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What is left to the thread after tokio's timer.
const FINE: Duration = Duration::from_millis(4);

/// A thread that sleeps the last milliseconds. It ends with its alarm.
pub struct Alarm {
    asked: Option<Instant>,
    ask: mpsc::Sender<Instant>,
    rang: Arc<Notify>,
}

impl Alarm {
    /// # Errors
    /// When the system gives no thread.
    pub fn new() -> io::Result<Self> {
        let (ask, moments) = mpsc::channel::<Instant>();
        let rang = Arc::new(Notify::new());
        let ring = Arc::clone(&rang);
        let sleeper = move || {
            for moment in moments {
                std::thread::sleep(moment.saturating_duration_since(Instant::now()));
                ring.notify_one();
            }
        };
        std::thread::Builder::new()
            .name("padan-load-alarm".to_owned())
            .spawn(sleeper)?;
        Ok(Self {
            asked: None,
            ask,
            rang,
        })
    }

    /// Done at `moment`, never before. May be dropped and asked again.
    pub async fn until(&mut self, moment: Instant) {
        while let left = moment.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            if left > FINE {
                tokio::time::sleep(left.saturating_sub(FINE)).await;
            } else if self.asked == Some(moment) {
                self.rang.notified().await;
            } else if self.ask.send(moment).is_ok() {
                self.asked = Some(moment);
            } else {
                // The thread is gone: tokio's timer is late, but it wakes.
                tokio::time::sleep(left).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_rings_early_and_survives_being_dropped_while_it_waits() {
        let mut alarm = Alarm::new().expect("a thread");
        for milliseconds in [0, 1, 3, 6] {
            let moment = Instant::now() + Duration::from_millis(milliseconds);
            for _ in 0..3 {
                tokio::select! {
                    () = alarm.until(moment) => assert!(Instant::now() >= moment),
                    () = std::future::ready(()) => {}
                }
            }
            alarm.until(moment).await;
            assert!(Instant::now() >= moment);
        }
    }
}
