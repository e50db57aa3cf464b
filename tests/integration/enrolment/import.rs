//! Bulk imports over a real connection, and `padan import`.

use std::net::SocketAddr;
use std::sync::Arc;

use padan::grpc::FaceVerificationService;
use padan::grpc::proto::enrollment_client::EnrollmentClient;
use padan::grpc::proto::enrollment_server::EnrollmentServer;
use padan::grpc::proto::face_verification_server::FaceVerificationServer;
use padan::grpc::proto::import_request::Message;
use padan::grpc::proto::import_response::Message as Told;
use padan::grpc::proto::import_row::Reference;
use padan::grpc::proto::{self, EnrollmentOutcome, ReasonCode, ReferenceSource, ReferenceStatus};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Status};

use super::{Desk, app, caller, faceless, ready, served, service, verifier, whom};
use crate::enrolled::{MAN, STRANGER as OTHER, WOMAN};
use crate::store::{Home, on_both};
use crate::support::{TestFolder, assert_says, eventually, padan, portrait, run, sample};

on_both![
    each_row_is_answered_and_bad_ones_stop_nobody,
    an_import_that_was_cut_off_resumes_and_stores_nothing_twice,
    rows_out_of_order_and_imports_without_a_name_are_refused,
    the_command_imports_a_list_and_names_the_refused_lines,
];

/// Serves a desk without its door; the caller is always the registry.
async fn serve(desk: &Desk) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let named = |mut request: Request<()>| {
        request.extensions_mut().insert(caller());
        Ok(request)
    };
    let service = EnrollmentServer::with_interceptor(service(&desk.enrolment), named);
    let app = app();
    let verification = FaceVerificationServer::new(FaceVerificationService {
        verifier: verifier(),
        activation: None,
        info: app.info.clone(),
        metrics: Arc::clone(&app.metrics),
    });
    let server = Server::builder().add_service(service);
    let server = server.add_service(verification);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

/// An import under way.
struct Import {
    rows: mpsc::Sender<proto::ImportRequest>,
    answers: tonic::Streaming<proto::ImportResponse>,
    done_to: u64,
}

impl Import {
    async fn start(address: SocketAddr, id: &str) -> Result<Self, Status> {
        let mut client = EnrollmentClient::<Channel>::connect(format!("http://{address}"))
            .await
            .expect("connects");
        let (rows, requests) = mpsc::channel(64);
        let start = Message::Start(proto::ImportStart {
            meta: None,
            import_id: id.to_owned(),
        });
        let sent = rows.send(proto::ImportRequest {
            message: Some(start),
        });
        sent.await.expect("there is room");
        let answers = client.import(ReceiverStream::new(requests)).await?;
        let mut import = Self {
            rows,
            answers: answers.into_inner(),
            done_to: 0,
        };
        match import.next().await? {
            Some(Told::Started(started)) => import.done_to = started.done_to,
            other => panic!("not the first answer: {other:?}"),
        }
        Ok(import)
    }

    async fn next(&mut self) -> Result<Option<Told>, Status> {
        let answer = self.answers.message().await?;
        Ok(answer.map(|answer| answer.message.expect("a message")))
    }

    async fn send(&self, row: proto::ImportRow) {
        let sent = self.rows.send(proto::ImportRequest {
            message: Some(Message::Row(row)),
        });
        sent.await.expect("the server takes it");
    }

    async fn result(&mut self) -> proto::ImportResult {
        // Far more of anything else than comes between two results.
        for _ in 0..10_000 {
            match self.next().await.expect("goes on") {
                Some(Told::Result(result)) => return result,
                Some(_) => {}
                None => panic!("no more answers"),
            }
        }
        panic!("no result among many answers")
    }

    /// The rest of the results by row, and the last word.
    async fn finish(self) -> Result<(Vec<proto::ImportResult>, proto::ImportProgress), Status> {
        let Self {
            rows, mut answers, ..
        } = self;
        drop(rows);
        let (mut results, mut last) = (Vec::new(), None);
        while let Some(answer) = answers.message().await? {
            match answer.message.expect("a message") {
                Told::Result(result) => results.push(result),
                Told::Progress(progress) => last = Some(progress),
                Told::Started(_) => panic!("started twice"),
            }
        }
        results.sort_by_key(|result| result.row);
        Ok((results, last.expect("a last word")))
    }
}

fn row(number: u64, nik: &str, reference: Reference) -> proto::ImportRow {
    proto::ImportRow {
        row: number,
        subject: whom(nik),
        reference: Some(reference),
        captured_on: "2014-05-20".to_owned(),
        source: ReferenceSource::Registry.into(),
    }
}

fn of_template(number: u64, nik: &str) -> proto::ImportRow {
    row(
        number,
        nik,
        Reference::Template(ready(served().as_str(), 3.0)),
    )
}

fn of_portrait(number: u64, nik: &str, image: impl Into<bytes::Bytes>) -> proto::ImportRow {
    row(number, nik, Reference::Portrait(sample(image)))
}

async fn each_row_is_answered_and_bad_ones_stop_nobody(home: &Home) {
    let desk = Desk::open(home).await;
    let import = Import::start(serve(&desk).await, "first").await;
    let import = import.expect("starts");
    assert_eq!(import.done_to, 0);
    let mut wrong_date = of_template(6, OTHER);
    "20.05.2014".clone_into(&mut wrong_date.captured_on);
    let mut nothing = of_template(7, OTHER);
    nothing.reference = None;
    let mut nobody = of_template(8, OTHER);
    nobody.subject = None;
    let rows = [
        of_portrait(1, WOMAN, portrait("person_a_1.jpg")),
        of_portrait(2, MAN, faceless()),
        of_portrait(3, OTHER, "no picture"),
        of_portrait(4, OTHER, ""),
        of_template(5, "3171013201909999"),
        wrong_date,
        nothing,
        nobody,
        of_template(20, MAN),
    ];
    let last_row = rows.len() as u64;
    for row in rows {
        import.send(row).await;
    }
    let (results, progress) = import.finish().await.expect("ends well");
    let stored = |result: &&proto::ImportResult| result.outcome() == EnrollmentOutcome::Done;
    let done: Vec<_> = results.iter().filter(stored).map(|it| it.row).collect();
    assert_eq!(done, [1, 20]);
    let expected = proto::ImportProgress {
        done_to: 20,
        stored: 2,
        refused: last_row - 2,
    };
    assert_eq!(progress, expected);
    let code = |at: usize| results[at].reasons.first().map(proto::Reason::code);
    assert_eq!(code(1), Some(ReasonCode::NoFace));
    assert_eq!(
        (code(4), code(7)),
        (
            Some(ReasonCode::NikMalformed),
            Some(ReasonCode::NikMalformed)
        )
    );
    assert_says(&results[3].problem, &["portrait.image", "empty"]);
    assert_says(&results[5].problem, &["captured_on", "YYYY-MM-DD"]);
    assert_says(&results[6].problem, &["portrait", "required"]);
    assert!(!results[2].problem.is_empty());
    assert!(results.iter().all(|it| !it.problem.contains("3171")));
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::Ready);
    assert_eq!(desk.status(MAN).await.reference_version, 1);
    // One entry for each.
    assert_eq!(desk.entries().await.len() as u64, last_row);
}

async fn an_import_that_was_cut_off_resumes_and_stores_nothing_twice(home: &Home) {
    let desk = Desk::open(home).await;
    let address = serve(&desk).await;
    let mut cut = Import::start(address, "cut").await.expect("starts");
    for number in 1..=3 {
        cut.send(of_template(number, WOMAN)).await;
    }
    for _ in 0..3 {
        let result = cut.result().await;
        assert_eq!(result.outcome(), EnrollmentOutcome::Done);
    }
    // The client is gone without a word.
    drop(cut);
    let versions = desk.status(WOMAN).await.reference_version;
    assert_eq!(versions, 3);
    let mut done_to = 0;
    eventually("the cut is marked", async || {
        let again = Import::start(address, "cut").await.expect("starts");
        done_to = again.done_to;
        drop(again.finish().await);
        done_to == 3
    })
    .await;
    let again = Import::start(address, "cut").await.expect("starts");
    // A client that does not listen, and sends all again.
    for number in 1..=3 {
        again.send(of_template(number, WOMAN)).await;
    }
    again.send(of_template(4, MAN)).await;
    let (results, progress) = again.finish().await.expect("ends well");
    let outcomes: Vec<_> = results.iter().map(proto::ImportResult::outcome).collect();
    let unchanged = EnrollmentOutcome::Unchanged;
    assert_eq!(
        outcomes,
        [unchanged, unchanged, unchanged, EnrollmentOutcome::Done]
    );
    assert_eq!((progress.done_to, progress.stored), (4, 1));
    assert_eq!(desk.status(WOMAN).await.reference_version, versions);
    assert_eq!(desk.entries().await.len(), 4);
    // Rows whose mark was lost are known by their number.
    home.execute("UPDATE meta SET value = '0' WHERE name LIKE 'import %'")
        .await
        .expect("forgotten");
    let again = Import::start(address, "cut").await.expect("starts");
    assert_eq!(again.done_to, 0);
    again.send(of_template(1, WOMAN)).await;
    again.send(of_template(2, MAN)).await;
    let (results, _) = again.finish().await.expect("ends well");
    assert_eq!(results[0].outcome(), EnrollmentOutcome::Done);
    assert_eq!(results[1].outcome(), EnrollmentOutcome::Refused);
    assert_says(&results[1].problem, &["other content", "import_id"]);
    assert_eq!(desk.status(WOMAN).await.reference_version, versions);
    assert_eq!(desk.entries().await.len(), 4);
}

async fn rows_out_of_order_and_imports_without_a_name_are_refused(home: &Home) {
    let desk = Desk::open(home).await;
    let address = serve(&desk).await;
    let nameless = Import::start(address, "").await.err().expect("is refused");
    assert_eq!(nameless.code(), Code::InvalidArgument);
    for second in [1, 0, u64::MAX] {
        let import = Import::start(address, &format!("to-{second}")).await;
        let import = import.expect("starts");
        import.send(of_template(1, WOMAN)).await;
        import.send(of_template(second, MAN)).await;
        let status = import.finish().await.expect_err("is refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        // What came before is done.
        assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::Ready);
        assert_eq!(desk.status(MAN).await.status(), ReferenceStatus::None);
    }
    // Larger than a message may be.
    let import = Import::start(address, "huge").await.expect("starts");
    import.send(of_portrait(1, OTHER, vec![0; 5 << 20])).await;
    let status = import.finish().await.expect_err("is refused");
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert_eq!(desk.status(OTHER).await.status(), ReferenceStatus::None);
}

async fn the_command_imports_a_list_and_names_the_refused_lines(home: &Home) {
    let desk = Desk::open(home).await;
    let url = format!("http://{}", serve(&desk).await);
    let folder = TestFolder::unique("list");
    let list = folder.path().join("list.csv");
    std::fs::write(folder.path().join("a.jpg"), portrait("person_a_1.jpg")).expect("written");
    std::fs::write(folder.path().join("red.jpg"), faceless()).expect("written");
    let text = format!(
        "nik,portrait,captured_on,source\n{WOMAN},a.jpg,2014-05-20,registry\n\
         {MAN},missing.jpg,,card-chip\n{MAN},red.jpg,,card-chip\n"
    );
    std::fs::write(&list, text).expect("written");
    let refused = folder.path().join("refused.csv");
    let import = |more: &[&str]| {
        let mut command = padan();
        command.arg("import").arg(&list).args(["--server", &url]);
        command.arg("--refused").arg(&refused).args(more);
        tokio::task::spawn_blocking(move || run(&mut command))
    };
    let (code, told, errors) = import(&[]).await.expect("runs");
    assert_eq!(code, 1, "{told}{errors}");
    assert_says(
        &told,
        &["1 stored, 2 refused", "line 3: ", "line 4: NO_FACE"],
    );
    let report = std::fs::read_to_string(&refused).expect("written");
    assert_says(&report, &["line,reasons\n", "3,", "4,"]);
    let said = [told.as_str(), &report, &errors].concat();
    assert!(!said.contains("31710"));
    assert_eq!(desk.status(WOMAN).await.status(), ReferenceStatus::Ready);

    // The same list again: only what was never sent is told again.
    let (code, told, _) = import(&["--json"]).await.expect("runs");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(
        (code, &told["stored"], &told["done_before_to_line"]),
        (0, &0.into(), &4.into())
    );
    assert_eq!(desk.status(WOMAN).await.reference_version, 1);
    // What the first call refused is still told.
    let kept = std::fs::read_to_string(&refused).expect("is there");
    assert_eq!(kept, report);
    std::fs::write(&list, "nik\n").expect("written");
    assert_eq!(import(&[]).await.expect("runs").0, 2);
}
