//! `padan verify PROBE REFERENCE`

use std::process::ExitCode;

use super::client::{self, Pair};
use super::{ANSWER_NO, Outcome};
use crate::config::{Config, VerifyArgs};
use crate::grpc::proto;
use crate::report::{self, Comparison};

pub fn run(args: &VerifyArgs, config: &Config) -> Outcome {
    let pair = Pair {
        probe: super::read_sample(&args.probe)?,
        reference: super::read_sample(&args.reference)?,
    };
    let runtime = super::runtime()?;
    let response = if let Some(url) = &args.server {
        runtime.block_on(async {
            let mut client = client::connect(url).await?;
            client::verify_there(&mut client, &pair, &args.policy).await
        })?
    } else {
        let app = client::start_small(config)?;
        runtime.block_on(client::verify_here(&app, &pair, &args.policy))?
    };
    let exit_code = exit_code(response.decision());
    if args.json {
        println!("{:#}", report::json::verify(&response));
    } else {
        println!("{}", report::table::verify(&response));
    }
    if let Some(path) = &args.report {
        let comparison = Comparison {
            title: "Verification".to_owned(),
            response,
            probe: pair.probe,
            reference: pair.reference,
        };
        super::write_output(path, &report::html::page(&[comparison]))?;
    }
    Ok(exit_code)
}

fn exit_code(decision: proto::Decision) -> ExitCode {
    match decision {
        proto::Decision::Match => ExitCode::SUCCESS,
        _ => ExitCode::from(ANSWER_NO),
    }
}
