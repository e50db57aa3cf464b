//! `padan calibrate`: from comparisons to the thresholds that a server decides by.

use std::process::ExitCode;

use super::compare::facts;
use super::session::Session;
use super::{Failure, Outcome};
use crate::config::{CalibrateArgs, Config};
use crate::evaluation::calibration;
use crate::report::evaluation::table;

pub fn run(args: &CalibrateArgs, config: &Config) -> Outcome {
    let mut config = config.clone();
    if let Some(model) = &args.model {
        config.choose_embedder(model);
    }
    super::check_outputs([&args.out])?;
    let mut session = Session::open(&args.dataset)?;
    // Which model is measured was typed, too: found before the work, and the caller's to correct.
    facts::read(&config)?;
    if session.targets.is_empty() {
        let problem =
            "no rate is supported by these data: a calibration without thresholds is none";
        return Err(Failure::Usage(problem.to_owned()));
    }
    if let Some(data) = &args.data {
        session.name_data(data);
    }
    let measured = session.evaluate(&config, &[])?;
    // `Display` of a date is ISO 8601.
    let today = time::OffsetDateTime::now_utc().date().to_string();
    let evaluated = &measured.evaluated;
    let calibration = calibration(evaluated, &measured.subject, today, args.review_fnmr)
        .map_err(|error| Failure::Technical(error.to_string()))?;
    let text = toml::to_string(&calibration)
        .map_err(|error| Failure::Technical(format!("cannot write the calibration: {error}")))?;
    super::write_output(&args.out, &text)?;
    if args.out.as_os_str() == "-" {
        return Ok(ExitCode::SUCCESS);
    }
    super::print(&table(&evaluated.evaluation));
    match (args.review_fnmr, calibration.review) {
        (Some(_), Some(review)) => super::print(&format_args!(
            "review from {:.4}: below are {:.2} % of the genuine comparisons (at most {:.2} %), \
             above {:.2} % of the impostors",
            review.threshold,
            100.0 * review.fnmr,
            100.0 * review.fnmr_high,
            100.0 * review.fmr
        )),
        (Some(rate), None) => super::print(&format_args!(
            "no threshold for reviews: failures to acquire and mistakes in the labels alone are \
             more than {rate}, or the comparisons are too few to say so"
        )),
        (None, _) => {}
    }
    Ok(ExitCode::SUCCESS)
}
