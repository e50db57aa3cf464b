//! `padan assess IMAGE`

use std::process::ExitCode;

use super::{ANSWER_NO, Outcome, client};
use crate::config::{AssessArgs, Config};
use crate::report;
use crate::sample::SampleRole;

pub fn run(args: &AssessArgs, config: &Config) -> Outcome {
    let image = super::read_sample(&args.image)?;
    let role = if args.reference {
        SampleRole::Reference
    } else {
        SampleRole::Probe
    };
    let app = client::start_small(config)?;
    let response = super::runtime()?.block_on(client::assess_here(&app, image, role))?;
    if args.json {
        super::print(&format_args!("{:#}", report::json::assess(&response)));
    } else {
        super::print(&format_args!("{}", report::table::assess(&response)));
    }
    Ok(if response.acceptable {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANSWER_NO)
    })
}
