//! The server under load: connections, and what it says about itself.

use std::time::Duration;

use tonic::Code;
use tonic::transport::Channel;

use super::call::{self, Answer, Call, plain};
use super::outcome::ServerInfo;
use super::settings::{LoadError, Settings};
use crate::grpc;
use crate::grpc::proto;
use crate::grpc::proto::face_verification_client::FaceVerificationClient;

/// Longest time to connect, and to say what runs there.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Flow-control windows for answers: no answer waits for a round trip.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// A server that answered.
pub(super) struct Target {
    channels: Vec<Channel>,
    pub info: ServerInfo,
}

impl Target {
    /// Connects, asks what runs there, and verifies once: a request that the server does not take
    /// is known before the load.
    pub async fn connect(settings: &Settings) -> Result<Self, LoadError> {
        let endpoint = grpc::endpoint_with(&settings.server, settings.tls.clone())
            .map_err(|error| LoadError::Settings(vec![error.to_string()]))?
            .connect_timeout(TIMEOUT)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let mut channels = Vec::new();
        for _ in 0..settings.connections.get() {
            let channel = endpoint.connect().await;
            channels.push(channel.map_err(|error| silent(&settings.server, &error))?);
        }
        let Some(first) = channels.first().cloned() else {
            return Err(LoadError::Settings(vec!["no connections".to_owned()]));
        };
        let info = info(first.clone(), &settings.server).await?;
        let target = Self { channels, info };
        target.try_once(settings).await?;
        Ok(target)
    }

    /// The connection of call `number`.
    pub fn channel(&self, number: usize) -> Option<Channel> {
        let index = number.checked_rem(self.channels.len())?;
        self.channels.get(index).cloned()
    }

    async fn try_once(&self, settings: &Settings) -> Result<(), LoadError> {
        let Some(channel) = self.channel(0) else {
            return Ok(());
        };
        let message = settings.workload.message(0);
        let now = std::time::Instant::now();
        let Call { answer, .. } = call::call(channel, message, settings.deadline, now).await;
        match answer {
            Answer::Failed { code, text } if code == grpc::code_name(Code::InvalidArgument) => {
                Err(LoadError::Request(text))
            }
            // Whatever else happens is what the run is there to measure.
            Answer::Ok(_) | Answer::Refused { .. } | Answer::Failed { .. } => Ok(()),
        }
    }
}

fn silent(url: &str, error: &tonic::transport::Error) -> LoadError {
    LoadError::Server(format!(
        "no server answers at {url} ({}): is `padan serve` running there?",
        call::innermost(error)
    ))
}

async fn info(channel: Channel, url: &str) -> Result<ServerInfo, LoadError> {
    let mut client = FaceVerificationClient::new(channel);
    let request = client.get_service_info(proto::GetServiceInfoRequest {});
    let Ok(answer) = tokio::time::timeout(TIMEOUT, request).await else {
        return Err(LoadError::Server(format!(
            "what listens at {url} does not answer: is it `padan serve`?"
        )));
    };
    match answer {
        Ok(response) => Ok(ServerInfo::from(response.get_ref())),
        // A server with no place to say what it is can still be measured.
        Err(status) if status.code() == Code::ResourceExhausted => Ok(ServerInfo::default()),
        Err(status) => Err(LoadError::Server(format!(
            "what listens at {url} does not say what it is ({}: {}): is it `padan serve`?",
            grpc::code_name(status.code()),
            plain(status.message())
        ))),
    }
}
