//! A server that answers as told, without models.

use std::time::Duration;

use padan::grpc::proto::face_verification_server::{FaceVerification, FaceVerificationServer};
use padan::grpc::proto::{
    AssessCaptureRequest, AssessCaptureResponse, Decision, GetServiceInfoRequest,
    GetServiceInfoResponse, SampleTimes, StageTimes, VerifyRequest, VerifyResponse,
};
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What it does with verifications.
#[derive(Clone, Copy)]
pub enum Behaviour {
    /// A match, after this time.
    Answer { after: Duration },
    /// No capacity; try again in 200 ms.
    Refuse,
}

/// Starts one for the rest of the test; returns its URL.
pub fn start(behaviour: Behaviour) -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    listener.set_nonblocking(true).expect("is a socket");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("is a listener");
            tonic::transport::Server::builder()
                .add_service(FaceVerificationServer::new(behaviour))
                .serve_with_incoming(TcpIncoming::from(listener))
                .await
        })
    });
    format!("http://{address}")
}

/// 1, 2, … 6 ms, times `factor`.
fn times(factor: u64) -> SampleTimes {
    let factor = 1_000 * factor;
    SampleTimes {
        decode_us: factor,
        detect_us: 2 * factor,
        assess_us: 3 * factor,
        align_us: 4 * factor,
        embed_us: 5 * factor,
        queue_us: 6 * factor,
    }
}

#[tonic::async_trait]
impl FaceVerification for Behaviour {
    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        let request = request.into_inner();
        assert!(request.probe.is_some() && request.reference.is_some());
        let Self::Answer { after } = self else {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(200)));
            let refusal = Status::with_error_details(Code::ResourceExhausted, "full", details);
            return Err(refusal);
        };
        tokio::time::sleep(*after).await;
        let response = VerifyResponse {
            decision: Decision::Match.into(),
            times: Some(StageTimes {
                probe: Some(times(1)),
                reference: Some(times(10)),
                total_us: 0,
            }),
            ..VerifyResponse::default()
        };
        Ok(Response::new(response))
    }

    async fn assess_capture(
        &self,
        _: Request<AssessCaptureRequest>,
    ) -> Result<Response<AssessCaptureResponse>, Status> {
        Err(Status::unimplemented("not in this stub"))
    }

    async fn get_service_info(
        &self,
        _: Request<GetServiceInfoRequest>,
    ) -> Result<Response<GetServiceInfoResponse>, Status> {
        Ok(Response::new(GetServiceInfoResponse::default()))
    }
}
