//! `padan verify PROBE REFERENCE`

use std::process::ExitCode;

use super::client::{self, Pair};
use super::{ANSWER_NO, Failure, Outcome};
use crate::config::{Config, VerifyArgs};
use crate::grpc::proto;
use crate::grpc::proto::face_verification_client::FaceVerificationClient;
use crate::report::{self, Comparison};

/// At a server.
pub fn run_there(args: &VerifyArgs, url: &str) -> Outcome {
    let pair = read_pair(args)?;
    let response = super::runtime()?.block_on(async {
        let mut client = FaceVerificationClient::new(client::channel_with(url, &args.tls).await?);
        client::verify_there(&mut client, &pair, &args.policy).await
    })?;
    show(args, pair, response)
}

/// On this machine.
pub fn run_here(args: &VerifyArgs, config: &Config) -> Outcome {
    let given = args.tls.given();
    if !given.is_empty() {
        let given = given.join(", ");
        return Err(Failure::Usage(format!(
            "{given}: such options are for a --server"
        )));
    }
    let pair = read_pair(args)?;
    let app = client::start_small(config)?;
    let verification = client::verify_here(&app, &pair, &args.policy);
    let response = super::runtime()?.block_on(verification)?;
    show(args, pair, response)
}

fn read_pair(args: &VerifyArgs) -> Result<Pair, Failure> {
    Ok(Pair {
        probe: super::read_sample(&args.probe)?,
        reference: super::read_sample(&args.reference)?,
    })
}

fn show(args: &VerifyArgs, pair: Pair, response: proto::VerifyResponse) -> Outcome {
    if args.json {
        super::print(&format_args!("{:#}", report::json::verify(&response)));
    } else {
        super::print(&format_args!("{}", report::table::verify(&response)));
    }
    let exit_code = exit_code(response.decision());
    if let Some(path) = &args.report {
        let comparison = Comparison {
            title: "Verification".to_owned(),
            response,
            probe: pair.probe,
            reference: pair.reference,
        };
        super::write_faces(path, &report::html::page(&[comparison]))?;
    }
    Ok(exit_code)
}

fn exit_code(decision: proto::Decision) -> ExitCode {
    match decision {
        proto::Decision::Match => ExitCode::SUCCESS,
        _ => ExitCode::from(ANSWER_NO),
    }
}
