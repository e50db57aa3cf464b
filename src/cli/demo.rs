//! `padan demo`: a server on a free loopback port, two pairs of real portraits through a real
//! client, a table, a report. Then one that keeps references, and verifies by NIK.

mod records;

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::client::{self, Pair};
use super::{ANSWER_NO, Failure, Outcome};
use crate::app::App;
use crate::config::{AccessConfig, Config, DemoArgs};
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

/// A server in this process, on a free port of this machine.
struct Server {
    url: String,
    app: App,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<grpc::Drained, grpc::ServeError>>,
}

impl Server {
    async fn start(config: &Config) -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut app = tokio::task::block_in_place(|| App::start(config))?;
        app.open_records(config).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let mut server = config.server.clone();
        server.tls = None;
        server.access = AccessConfig::default();
        let served = app.served();
        let task = tokio::spawn(async move {
            // The sender lives until the demonstration is done; an error means that it is gone.
            let shutdown = async { drop(stopped.await) };
            grpc::serve(listener, &server, served, shutdown).await
        });
        Ok(Self {
            url,
            app,
            stop,
            task,
        })
    }

    async fn stop(mut self) -> Result<(), Failure> {
        drop(self.stop);
        let technical = |error: &dyn std::fmt::Display| Failure::Technical(error.to_string());
        let ended = self.task.await.map_err(|error| technical(&error))?;
        self.app.close_records().await;
        ended.map(drop).map_err(|error| technical(&error))
    }
}

async fn demo(args: &DemoArgs, config: &Config) -> Outcome {
    // Demonstrations never touch the records of a configuration that names some.
    let without_records = Config {
        store: None,
        ..config.clone()
    };
    let server = Server::start(&without_records).await?;
    super::print(&format_args!("padan serves on {}\n", server.url));
    let comparisons = compare_pairs(args, &server.url).await?;
    server.stop().await?;
    super::print(&format_args!("{}", report::table::demo(&comparisons)));
    if let Some(folder) = args.report.parent() {
        std::fs::create_dir_all(folder)?;
    }
    super::write_faces(&args.report, &report::html::page(&comparisons))?;
    super::print(&format_args!(
        "\nThe report with pictures: {}",
        args.report.display()
    ));
    let pairs_came_out = comparisons
        .iter()
        .zip(PAIRS)
        .all(|(comparison, (.., expected))| comparison.response.decision() == expected);
    let records_came_out = records::show(args, config).await?;
    Ok(if pairs_came_out && records_came_out {
        ExitCode::SUCCESS
    } else {
        eprintln!("padan: not everything came out as expected; the tables say what");
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
