//! `padan swap`: the models of a running server.

use std::process::ExitCode;

use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::{Failure, Outcome, client, print, runtime};
use crate::config::{SwapArgs, SwapCommand};
use crate::grpc::proto;
use crate::grpc::proto::models_client::ModelsClient;
use crate::report::table::new_table;

type Client = ModelsClient<Channel>;

pub fn run(command: &SwapCommand) -> Outcome {
    runtime()?.block_on(ask(command))
}

async fn ask(command: &SwapCommand) -> Outcome {
    match command {
        SwapCommand::List(args) => {
            let models = listed(&mut connect(args).await?).await?;
            tell(args.json, &models_json(&models), || models_table(&models));
        }
        SwapCommand::Load(args) => {
            let id = args.id.clone();
            let mut client = connect(&args.common).await?;
            let loaded = client.load_model(proto::LoadModelRequest { id }).await;
            let model = answered(loaded)?.model;
            tell_model(&args.common, "loaded", model);
        }
        SwapCommand::Shadow(args) => {
            let mut client = connect(&args.common).await?;
            let (id, share, seed) = (args.id.clone(), args.share, args.seed);
            let asked = proto::StartShadowRequest { id, share, seed };
            tell_report(&args.common, &answered(client.start_shadow(asked).await)?);
        }
        SwapCommand::Report(args) => {
            let mut client = connect(args).await?;
            let asked = proto::GetShadowReportRequest {};
            tell_report(args, &answered(client.get_shadow_report(asked).await)?);
        }
        SwapCommand::Stop(args) => {
            let mut client = connect(args).await?;
            let asked = proto::StopShadowRequest {};
            tell_report(args, &answered(client.stop_shadow(asked).await)?);
        }
        SwapCommand::Activate(args) => {
            let mut client = connect(&args.common).await?;
            let contract = match &args.contract {
                Some(contract) => contract.clone(),
                None => contract_of(&listed(&mut client).await?, &args.id)?,
            };
            let asked = proto::ActivateRequest {
                id: args.id.clone(),
                model_contract_id: contract,
            };
            let model = answered(client.activate(asked).await)?.active;
            tell_model(&args.common, "active", model);
        }
        SwapCommand::Rollback(args) => {
            let mut client = connect(&args.common).await?;
            let model_contract_id = args.from.clone().unwrap_or_default();
            let asked = proto::RollbackRequest { model_contract_id };
            let model = answered(client.rollback(asked).await)?.active;
            tell_model(&args.common, "active again", model);
        }
        SwapCommand::Unload(args) => {
            let mut client = connect(&args.common).await?;
            let asked = proto::UnloadModelRequest {
                id: args.id.clone(),
                even_if_previous: args.even_if_previous,
            };
            answered(client.unload_model(asked).await)?;
            let unloaded = json!({ "unloaded": args.id });
            tell(args.common.json, &unloaded, || {
                format!("{} is unloaded", args.id)
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn connect(args: &SwapArgs) -> Result<Client, Failure> {
    let channel = client::channel_with(&args.server, &args.tls).await?;
    Ok(ModelsClient::new(channel))
}

fn answered<T>(answer: Result<tonic::Response<T>, Status>) -> Result<T, Failure> {
    let answer = answer.map_err(|status| client::from_status(&status))?;
    Ok(answer.into_inner())
}

async fn listed(client: &mut Client) -> Result<Vec<proto::LoadedModel>, Failure> {
    let answer = client.list_models(Request::new(proto::ListModelsRequest {}));
    Ok(answered(answer.await)?.models)
}

fn contract_of(models: &[proto::LoadedModel], id: &str) -> Result<String, Failure> {
    let mut embedders = models.iter().filter_map(|model| model.embedder.as_ref());
    let found = embedders.find(|embedder| embedder.id == id);
    let missing = || Failure::Usage(format!("no model {id} is loaded: `padan swap load {id}`"));
    Ok(found.ok_or_else(missing)?.contract_id.clone())
}

/// The answer for a program or for people.
fn tell(as_json: bool, json: &Value, text: impl FnOnce() -> String) {
    if as_json {
        print(&format_args!("{json:#}"));
    } else {
        print(&text());
    }
}

fn tell_model(args: &SwapArgs, what: &str, model: Option<proto::LoadedModel>) {
    let model = model.unwrap_or_default();
    let embedder = model.embedder.clone().unwrap_or_default();
    let models = std::slice::from_ref(&model);
    tell(args.json, &models_json(models), || {
        let table = models_table(models);
        format!(
            "{} is {what} ({})\n{table}",
            embedder.id, embedder.contract_id
        )
    });
}

fn place(model: &proto::LoadedModel) -> &'static str {
    match model {
        _ if model.active => "active",
        _ if model.shadow => "shadow",
        _ if model.previous => "previous",
        _ => "loaded",
    }
}

fn models_json(models: &[proto::LoadedModel]) -> Value {
    let one = |model: &proto::LoadedModel| {
        let embedder = model.embedder.clone().unwrap_or_default();
        let policies = model.policies.iter();
        json!({
            "id": embedder.id,
            "contract_id": embedder.contract_id,
            "licence": embedder.licence,
            "sha256": embedder.sha256,
            "active": model.active,
            "previous": model.previous,
            "shadow": model.shadow,
            "lanes_alive": model.lanes_alive,
            "queue_length": model.queue_length,
            "verifications": model.verifications,
            "policies": policies.map(|policy| policy.version.as_str()).collect::<Vec<_>>(),
        })
    };
    json!({ "models": models.iter().map(one).collect::<Vec<_>>() })
}

fn models_table(models: &[proto::LoadedModel]) -> String {
    let header = [
        "model",
        "",
        "contract id",
        "policies",
        "lanes",
        "verifications",
    ];
    let mut table = new_table(&header);
    for model in models {
        let embedder = model.embedder.clone().unwrap_or_default();
        let policies: Vec<_> = model
            .policies
            .iter()
            .map(|it| it.version.as_str())
            .collect();
        table.add_row([
            embedder.id,
            place(model).to_owned(),
            embedder.contract_id,
            policies.join(", "),
            model.lanes_alive.to_string(),
            model.verifications.to_string(),
        ]);
    }
    table.to_string()
}

fn tell_report(args: &SwapArgs, report: &proto::ShadowReport) {
    tell(args.json, &report_json(report), || report_table(report));
}

fn report_json(report: &proto::ShadowReport) -> Value {
    json!({
        "candidate_id": report.candidate_id,
        "candidate_contract_id": report.candidate_contract_id,
        "active_contract_id": report.active_contract_id,
        "share": report.share,
        "seed": report.seed,
        "running": report.running,
        "taken": report.taken,
        "scored": report.scored,
        "compared": report.compared,
        "disagreements": report.disagreements,
        "matches_lost": report.matches_lost,
        "matches_won": report.matches_won,
        "dropped": report.dropped,
        "not_comparable": report.not_comparable,
        "failed": report.failed,
        "active_histogram": report.active_histogram,
        "candidate_histogram": report.candidate_histogram,
    })
}

fn report_table(report: &proto::ShadowReport) -> String {
    let mut counts = new_table(&["live comparisons", ""]);
    for (name, count) in [
        ("taken", report.taken),
        ("scored by the candidate", report.scored),
        ("compared by both", report.compared),
        ("decisions that differ", report.disagreements),
        ("matches lost", report.matches_lost),
        ("matches won", report.matches_won),
        ("dropped for live work", report.dropped),
        ("not comparable", report.not_comparable),
        ("failed", report.failed),
    ] {
        counts.add_row([name.to_owned(), count.to_string()]);
    }
    let state = if report.running { "runs" } else { "has ended" };
    let (candidate, active) = (&report.candidate_contract_id, &report.active_contract_id);
    let share = report.share;
    format!(
        "shadow of {candidate} beside {active}, share {share}, {state}\n{counts}\n{}",
        histogram_table(report)
    )
}

/// The bins that are not empty in both.
fn histogram_table(report: &proto::ShadowReport) -> String {
    let mut table = new_table(&["similarity from", "active", "candidate"]);
    let bins = report.active_histogram.len();
    let pairs = report
        .active_histogram
        .iter()
        .zip(&report.candidate_histogram);
    for (bin, (active, candidate)) in pairs.enumerate() {
        if (*active, *candidate) == (0, 0) {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "40 bins")]
        let from = 2.0 * bin as f64 / bins as f64 - 1.0;
        table.add_row([
            format!("{from:.2}"),
            active.to_string(),
            candidate.to_string(),
        ]);
    }
    table.to_string()
}
