//! Quantiles by hand, and turns taken by models that make their times up.

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn quantiles_are_times_of_nearest_rank() {
    let spread = Spread::of((1..=200).rev().map(ms).collect()).expect("times");
    assert_eq!((spread.count, spread.median), (200, ms(100)));
    assert_eq!(
        (spread.p90, spread.p99, spread.longest),
        (ms(180), ms(198), ms(200))
    );
    let one = Spread::of(vec![ms(7)]).expect("a time");
    assert_eq!((one.median, one.p99), (ms(7), ms(7)));
    assert_eq!(Spread::of(Vec::new()), None);
}

#[test]
fn the_median_of_an_even_number_lies_between_both() {
    assert_eq!(median(&[4.0, 1.0, 3.0]), 3.0);
    assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    assert!(median(&[]).is_nan());
}

/// Writes down who was asked; takes a made-up time, and finds no face in a sample that says so.
struct Made {
    name: char,
    takes: u64,
    asked: Rc<RefCell<String>>,
}

impl Timed for Made {
    fn time(&mut self, sample: &Bytes) -> Result<Option<SampleTime>, CostError> {
        self.asked.borrow_mut().push(self.name);
        match sample.first() {
            Some(b'!') => Err(CostError::Pipeline("broken".to_owned())),
            // One of the models does not see it.
            Some(b'-') if self.name == 'B' => Ok(None),
            _ => Ok(Some(SampleTime {
                whole: ms(self.takes),
                embed: ms(self.takes / 2),
            })),
        }
    }
}

fn two_models() -> ([Made; 2], Rc<RefCell<String>>) {
    let asked = Rc::new(RefCell::new(String::new()));
    let models = [('A', 10), ('B', 20)].map(|(name, takes)| Made {
        name,
        takes,
        asked: Rc::clone(&asked),
    });
    (models, asked)
}

#[test]
fn models_take_turns_and_each_begins_as_often() {
    let (mut models, asked) = two_models();
    let samples = [Bytes::from_static(b"1"), Bytes::from_static(b"2")];
    let found = latencies(&mut models, &samples, 2, &|| Ok(())).expect("times");
    // Both are warmed by both samples, then the beginner changes with each sample and round.
    assert_eq!(*asked.borrow(), ["ABAB", "ABBA", "BAAB"].concat());
    assert_eq!(
        (found[0].whole.median, found[1].whole.median),
        (ms(10), ms(20))
    );
    assert_eq!((found[0].embed.p99, found[1].embed.p99), (ms(5), ms(10)));
    assert_eq!((found[0].whole.count, found[1].whole.count), (4, 4));
}

#[test]
fn a_sample_that_one_model_does_not_embed_is_timed_for_none() {
    let (mut models, _) = two_models();
    let samples = [Bytes::from_static(b"-"), Bytes::from_static(b"2")];
    let found = latencies(&mut models, &samples, 3, &|| Ok(())).expect("times");
    assert_eq!((found[0].whole.count, found[0].left_out), (3, 1));
    let none = latencies(&mut models, &samples[..1], 3, &|| Ok(()));
    assert!(matches!(none, Err(CostError::NoFaces)));
    let broken = latencies(&mut models, &[Bytes::from_static(b"!")], 1, &|| Ok(()));
    assert!(matches!(broken, Err(CostError::Pipeline(_))));
}

#[test]
fn whoever_watches_ends_the_work() {
    let (mut models, asked) = two_models();
    let samples = [Bytes::from_static(b"1"), Bytes::from_static(b"2")];
    let ended = latencies(&mut models, &samples, 2, &|| Err(CostError::Interrupted));
    assert!(matches!(ended, Err(CostError::Interrupted)));
    // Warmed by both samples, then timed on one.
    assert_eq!(*asked.borrow(), ["ABAB", "AB"].concat());
}

#[test]
fn answers_come_in_the_order_of_the_models() {
    let mut models = [1, 2, 3];
    for begin in 0..7 {
        let mut asked = Vec::new();
        let answers = one_after_another(&mut models, begin, |model| {
            asked.push(*model);
            Ok::<i32, CostError>(*model * 10)
        });
        assert_eq!(answers.expect("no error"), [10, 20, 30]);
        assert_eq!(asked[0], models[begin % 3]);
    }
    let none = one_after_another(&mut [0_u8; 0], 1, |_| Ok::<_, CostError>(()));
    assert!(none.expect("no error").is_empty());
}
