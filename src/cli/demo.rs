//! `padan demo`: a server on a free loopback port, two pairs of real portraits through a real
//! client, a table, a report.

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::client::{self, Pair};
use super::{ANSWER_NO, Failure, Outcome};
use crate::app::App;
use crate::config::{Config, DemoArgs};
use crate::grpc::{self, proto};
use crate::report::{self, Comparison};

/// Probe, reference, and what must come out.
const PAIRS: [(&str, &str, &str, proto::Decision); 2] = [
    (
        "genuine pair, eleven years apart",
        "person_a_2.jpg",
        "person_a_1.jpg",
        proto::Decision::Match,
    ),
    (
        "impostor pair",
        "impostor_1.jpg",
        "person_a_1.jpg",
        proto::Decision::NoMatch,
    ),
];

pub fn run(args: &DemoArgs, config: &Config) -> Outcome {
    super::runtime()?.block_on(demo(args, config))
}

async fn demo(args: &DemoArgs, config: &Config) -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let app = tokio::task::block_in_place(|| App::start(config))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut server_config = config.server.clone();
    server_config.tls = None;
    let server = tokio::spawn(async move {
        // The sender lives until the pairs are done; an error means that it is gone: stop.
        let shutdown = async { drop(stopped.await) };
        grpc::serve(listener, &server_config, app.served(), shutdown).await
    });
    super::print(&format_args!("padan serves on {address}\n"));
    let comparisons = compare_pairs(args, &format!("http://{address}")).await?;
    drop(stop);
    let ended = server
        .await
        .map_err(|error| Failure::Technical(error.to_string()))?;
    ended.map_err(|error| Failure::Technical(error.to_string()))?;
    super::print(&format_args!("{}", report::table::demo(&comparisons)));
    if let Some(folder) = args.report.parent() {
        std::fs::create_dir_all(folder)?;
    }
    super::write_output(&args.report, &report::html::page(&comparisons))?;
    super::print(&format_args!(
        "\nThe report with pictures: {}",
        args.report.display()
    ));
    let came_out = comparisons
        .iter()
        .zip(PAIRS)
        .all(|(comparison, (.., expected))| comparison.response.decision() == expected);
    Ok(if came_out {
        ExitCode::SUCCESS
    } else {
        eprintln!("padan: the decisions are not the expected ones (MATCH, then NO_MATCH)");
        ExitCode::from(ANSWER_NO)
    })
}

async fn compare_pairs(args: &DemoArgs, url: &str) -> Result<Vec<Comparison>, Failure> {
    let mut client = client::connect(url).await?;
    let mut comparisons = Vec::new();
    for (title, probe, reference, _) in PAIRS {
        let pair = Pair {
            probe: super::read_sample(&args.portraits.join(probe))?,
            reference: super::read_sample(&args.portraits.join(reference))?,
        };
        let response = client::verify_there(&mut client, &pair, "").await?;
        comparisons.push(Comparison {
            title: title.to_owned(),
            response,
            probe: pair.probe,
            reference: pair.reference,
        });
    }
    Ok(comparisons)
}
