//! Asking for a verification or an assessment: here, or at a server. Both give the wire's response,
//! so that everything after is the same.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use zeroize::Zeroizing;

use super::Failure;
use crate::app::App;
use crate::config::{ClientTlsArgs, Config};
use crate::engine::Class;
use crate::grpc::proto::face_verification_client::FaceVerificationClient;
use crate::grpc::{self, ClientTls, proto};
use crate::sample::SampleRole;
use crate::verify::{Reference, Urgency, VerifyError, VerifyTask, reasons_for};

/// Longest time for one request to a server.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A pair from the command line.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The live capture, encoded.
    pub probe: Bytes,
    /// The enrolled side, encoded.
    pub reference: Bytes,
}

/// A client of a server, for example `http://127.0.0.1:50051`.
pub async fn connect(url: &str) -> Result<FaceVerificationClient<Channel>, Failure> {
    Ok(FaceVerificationClient::new(channel(url).await?))
}

/// A connection to a server.
pub async fn channel(url: &str) -> Result<Channel, Failure> {
    channel_with(url, &ClientTlsArgs::default()).await
}

/// A connection to a server, with certificates from the command line.
pub async fn channel_with(url: &str, tls: &ClientTlsArgs) -> Result<Channel, Failure> {
    let endpoint = grpc::endpoint_with(url, client_tls(url, tls)?);
    let endpoint = endpoint.map_err(|error| Failure::Usage(error.to_string()))?;
    let connected = endpoint.connect_timeout(TIMEOUT).connect().await;
    connected.map_err(|_| {
        Failure::Technical(format!(
            "no server answers at {url}: is `padan serve` running there?"
        ))
    })
}

/// What the command line brings to the server at `url`.
pub fn client_tls(url: &str, args: &ClientTlsArgs) -> Result<ClientTls, Failure> {
    let given = args.given();
    // Whoever gives them means to be encrypted.
    if !given.is_empty() && url.starts_with("http://") {
        let given = given.join(", ");
        let text = format!("{given}: such options are for https://, and {url} is not encrypted");
        return Err(Failure::Usage(text));
    }
    let read = |path: &Path| {
        let cannot = |error| Failure::Usage(format!("cannot read {}: {error}", path.display()));
        std::fs::read(path).map_err(cannot)
    };
    let identity = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, Zeroizing::new(read(key)?))),
        _ => None,
    };
    Ok(ClientTls {
        authority: args.ca.as_deref().map(read).transpose()?,
        identity,
    })
}

/// The limits that a server has for samples.
pub async fn limits(channel: Channel) -> Result<proto::Limits, Failure> {
    let mut request = Request::new(proto::GetServiceInfoRequest {});
    request.set_timeout(TIMEOUT);
    let mut client = FaceVerificationClient::new(channel);
    let info = client.get_service_info(request).await;
    let info = info.map_err(|status| from_status(&status))?.into_inner();
    let unsaid = || Failure::Technical("the server does not say its limits".to_owned());
    info.limits.ok_or_else(unsaid)
}

/// Verifies a pair at a server.
pub async fn verify_there(
    client: &mut FaceVerificationClient<Channel>,
    pair: &Pair,
    policy: &str,
) -> Result<proto::VerifyResponse, Failure> {
    let sample = |image: &Bytes| proto::Sample {
        image: image.clone(),
    };
    let mut request = Request::new(proto::VerifyRequest {
        meta: None,
        probe: Some(sample(&pair.probe)),
        reference: Some(proto::verify_request::Reference::ReferenceSample(sample(
            &pair.reference,
        ))),
        policy: policy.to_owned(),
        ..Default::default()
    });
    request.set_timeout(TIMEOUT);
    let response = client.verify(request).await;
    response
        .map(tonic::Response::into_inner)
        .map_err(|status| from_status(&status))
}

/// Verifies a pair on this machine.
pub async fn verify_here(
    app: &App,
    pair: &Pair,
    policy: &str,
) -> Result<proto::VerifyResponse, Failure> {
    let task = VerifyTask {
        probe: pair.probe.clone(),
        reference: Reference::Sample(pair.reference.clone()),
        policy: policy.to_owned(),
    };
    let verification = app.verifier.verify(task, urgency()).await;
    let verification = verification.map_err(|error| from_error(&error))?;
    Ok(grpc::responses::verify(String::new(), &verification))
}

/// Assesses a sample on this machine.
pub async fn assess_here(
    app: &App,
    image: Bytes,
    role: SampleRole,
) -> Result<proto::AssessCaptureResponse, Failure> {
    let result = app.verifier.assess(image, role, urgency()).await;
    let result = result.map_err(|error| from_error(&error))?;
    let reasons = reasons_for(role, &result.faults);
    Ok(grpc::responses::assess(String::new(), &result, &reasons))
}

/// Makes an app ready with at most two lanes: one command has two samples at the most.
pub fn start_small(config: &Config) -> Result<App, Failure> {
    let mut config = config.clone();
    let two = std::num::NonZeroUsize::MIN.saturating_add(1);
    config.engine.lanes = config.engine.lanes.min(two);
    // Nothing is stored here that other models would be needed for.
    config.beside.clear();
    Ok(App::start(&config)?)
}

fn urgency() -> Urgency {
    Urgency {
        class: Class::LiveCheck,
        deadline: Some(Instant::now() + TIMEOUT),
    }
}

fn from_error(error: &VerifyError) -> Failure {
    match error {
        VerifyError::UnknownPolicy { .. } => Failure::Usage(error.to_string()),
        VerifyError::Image { role, cause } => {
            let side = match role {
                SampleRole::Probe => "probe",
                SampleRole::Reference => "reference",
            };
            Failure::Usage(format!("{side}: {cause}"))
        }
        VerifyError::Busy { .. }
        | VerifyError::Expired
        | VerifyError::Closed
        | VerifyError::Internal(_) => Failure::Technical(error.to_string()),
    }
}

/// What a server's error means for whoever typed the command.
pub fn from_status(status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument => Failure::Usage(status.message().to_owned()),
        code => Failure::Technical(format!(
            "the server answered {code:?}: {}",
            status.message()
        )),
    }
}
