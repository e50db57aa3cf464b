//! A whole activation in Rust: consent, verification by NIK, redeeming the result, and what to do
//! about each decision.
//!
//! ```sh
//! cargo run --release --example activate -- --nik 3171014101909999 --selfie selfie.jpg
//! ```
//!
//! Exit codes: 0 activated, 1 not activated (the output says what to do), 2 usage, 3 padan could
//! not be asked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::results_client::ResultsClient;
use padan::grpc::proto::{self, Decision};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};
use tonic::{Code, Request, Status};
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(20);
const TRIES: u32 = 4;

/// Nobody knows whether it was done.
const UNKNOWN: [Code; 2] = [Code::Unavailable, Code::DeadlineExceeded];

/// Activates a digital identity through padan.
#[derive(Parser)]
struct Args {
    /// The server; https:// with --ca, --cert and --key
    #[arg(long, default_value = "http://127.0.0.1:50051")]
    server: String,
    /// Whom
    #[arg(long)]
    nik: String,
    /// The live capture
    #[arg(long)]
    selfie: PathBuf,
    /// The office that answers for it
    #[arg(long, default_value = "3171")]
    office: String,
    /// The officer
    #[arg(long, default_value = "officer-7")]
    operator: String,
    /// The capturing device
    #[arg(long, default_value = "counter-2")]
    device: String,
    /// The CA of the server (PEM)
    #[arg(long, requires_all = ["cert", "key"])]
    ca: Option<PathBuf>,
    /// The certificate of this backend (PEM)
    #[arg(long, requires = "ca")]
    cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, requires = "ca")]
    key: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(mistake) = address_mistake(&args.server, args.ca.is_some()) {
        let kind = ErrorKind::ValueValidation;
        Args::command().error(kind, mistake).exit();
    }
    activate(&args).await.unwrap_or_else(|failure| {
        eprintln!("padan could not be asked: {failure}");
        ExitCode::from(3)
    })
}

/// What is wrong with sending a NIK and a face there.
fn address_mistake(server: &str, has_ca: bool) -> Option<&'static str> {
    let address = server.parse::<Uri>().ok();
    let scheme = address.as_ref().and_then(Uri::scheme_str);
    let host = address.as_ref().and_then(Uri::host).unwrap_or_default();
    match (scheme, has_ca) {
        (Some("https"), true) => None,
        (_, true) => Some("--ca needs a --server with https://, or nothing is encrypted"),
        (Some("https"), false) => Some("https:// needs --ca, --cert and --key"),
        (Some("http"), false) if is_loopback(host) => None,
        (Some("http"), false) => Some(
            "http:// would show the NIK and the face to the network: use https:// with --ca, \
             --cert and --key; without them only this machine can be asked",
        ),
        _ => Some("--server takes https://HOST:PORT, or http://127.0.0.1:PORT on this machine"),
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let is_address = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_address || host.eq_ignore_ascii_case("localhost")
}

async fn activate(args: &Args) -> Result<ExitCode, Failure> {
    let channel = connect(args).await?;
    let request = request(args)?;
    let client = FaceVerificationClient::new(channel.clone());
    // The same request id gives the one answer: asked again also when nobody knows.
    let may_help = |code: Code| code == Code::ResourceExhausted || UNKNOWN.contains(&code);
    let response = asked(may_help, || {
        let (mut client, request) = (client.clone(), timed(request.clone()));
        async move { client.verify(request).await }
    })
    .await?;
    for reason in &response.reasons {
        println!("  {}\n  {}", reason.text_id, reason.text_en);
    }
    // A decision that this backend does not know is UNSPECIFIED here: never an activation.
    let next_step = match response.decision() {
        Decision::Match => return redeem(channel, response.result_token, args).await,
        Decision::NoMatch => "check the NIK and try again, or ask for a manual check",
        Decision::RetryCapture => "capture again as the reasons say; this cost no attempt",
        Decision::ManualReview | Decision::SuspectedAttack => "an officer has to look",
        Decision::CannotVerify => "nothing was compared; the reasons say what is missing",
        Decision::Unspecified => "an unknown decision",
    };
    println!("not activated: {next_step}");
    if !response.review_id.is_empty() {
        println!("  case {}", response.review_id);
    }
    Ok(ExitCode::from(1))
}

/// What counts is what the token says, not what the app showed.
async fn redeem(channel: Channel, token: String, args: &Args) -> Result<ExitCode, Failure> {
    let request = proto::RedeemResultRequest {
        result_token: token,
        device: args.device.clone(),
    };
    let client = ResultsClient::new(channel);
    // A token is good for one use. Where nobody knows whether that was it, another try could only
    // say that it was used.
    let result = asked(
        |code| code == Code::ResourceExhausted,
        || {
            let (mut client, request) = (client.clone(), timed(request.clone()));
            async move { client.redeem_result(request).await }
        },
    )
    .await;
    let result = match result {
        Err(status) if UNKNOWN.contains(&status.code()) => {
            println!("not activated: whether the result was used is not known; verify again");
            return Ok(ExitCode::from(1));
        }
        result => result?,
    };
    let is_activation = result.purpose() == proto::Purpose::Activation;
    if result.decision() != Decision::Match || !is_activation {
        println!("not activated: the result is for something else");
        return Ok(ExitCode::from(1));
    }
    println!(
        "activated: subject {:.16}…, request {}",
        result.subject_hash, result.request_id
    );
    Ok(ExitCode::SUCCESS)
}

fn request(args: &Args) -> Result<proto::VerifyRequest, Failure> {
    let image = std::fs::read(&args.selfie)
        .map_err(|error| format!("{}: {error}", args.selfie.display()))?;
    let new_id = || Uuid::new_v4().to_string();
    Ok(proto::VerifyRequest {
        // Made before the first try: a repetition is recognised by it.
        meta: Some(proto::RequestMeta {
            request_id: new_id(),
            ..Default::default()
        }),
        probe: Some(proto::Sample {
            image: image.into(),
        }),
        reference: Some(proto::verify_request::Reference::Subject(proto::Subject {
            nik: args.nik.clone(),
        })),
        policy: String::new(),
        context: Some(proto::VerificationContext {
            purpose: proto::Purpose::Activation.into(),
            channel: proto::Channel::Counter.into(),
            office: args.office.clone(),
            operator: args.operator.clone(),
            device: args.device.clone(),
            session: new_id(),
        }),
        // What the office took down when the citizen agreed, before the camera was switched on.
        consent: Some(proto::ConsentRecord {
            id: new_id(),
            basis: proto::LegalBasis::Consent.into(),
            notice_version: "pemberitahuan-2026-03".to_owned(),
            given_at: Some(SystemTime::now().into()),
        }),
    })
}

async fn connect(args: &Args) -> Result<Channel, Failure> {
    let mut endpoint = Endpoint::from_shared(args.server.clone())?.connect_timeout(TIMEOUT);
    if let (Some(ca), Some(cert), Some(key)) = (&args.ca, &args.cert, &args.key) {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(std::fs::read(ca)?))
            .identity(Identity::from_pem(
                std::fs::read(cert)?,
                std::fs::read(key)?,
            ));
        endpoint = endpoint.tls_config(tls)?;
    }
    Ok(endpoint.connect().await?)
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}

/// Asks, and asks again where that may help.
async fn asked<T, F>(
    may_help: impl Fn(Code) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<tonic::Response<T>, Status>>,
{
    let mut tries = 1;
    loop {
        let status = match call().await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) => status,
        };
        if !may_help(status.code()) || tries == TRIES {
            return Err(status);
        }
        tokio::time::sleep(Duration::from_millis(200) * 2u32.pow(tries)).await;
        tries += 1;
    }
}
