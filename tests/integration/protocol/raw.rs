//! gRPC on bare HTTP/2: a client without timers of its own, that may send half a request.

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::codegen::http::{HeaderMap, Request};

use padan::grpc::proto::GetServiceInfoRequest;

use crate::support::{TestServer, eventually, genuine};

/// One connection. Dropping it hangs up.
pub struct RawClient {
    requests: SendRequest<Bytes>,
    connection: JoinHandle<()>,
}

impl RawClient {
    pub async fn connect(server: &TestServer) -> Self {
        let address = server.url.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await.expect("connects");
        let (requests, connection) = h2::client::handshake(stream).await.expect("speaks HTTP/2");
        let connection = tokio::spawn(async move { drop(connection.await) });
        Self {
            requests,
            connection,
        }
    }

    /// Sends the headers of a call. The body is still to come.
    pub async fn open(&self, method: &str, timeout: Option<&str>) -> RawCall {
        let mut requests = self
            .requests
            .clone()
            .ready()
            .await
            .expect("the connection lives");
        let mut request = Request::post(format!("http://padan/padan.v1.FaceVerification/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let request = request.body(()).expect("a request");
        let (response, body) = requests.send_request(request, false).expect("sends");
        RawCall { response, body }
    }

    /// Sends a whole call and waits for its answer.
    pub async fn call(&self, method: &str, timeout: Option<&str>, message: Bytes) -> RawAnswer {
        let mut call = self.open(method, timeout).await;
        call.send(message, true);
        call.answer().await
    }
}

impl Drop for RawClient {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A call under way. Dropping it resets its stream.
pub struct RawCall {
    response: ResponseFuture,
    body: SendStream<Bytes>,
}

/// A call that the server has admitted, with `sent` bytes of its body; the server has one place for
/// requests, and this call holds it.
pub async fn half_a_call(server: &TestServer, client: &RawClient, sent: usize) -> RawCall {
    let mut call = client.open("Verify", None).await;
    call.send(framed(&genuine()).slice(..sent), false);
    eventually("the call holds the only place", async || {
        let answer = server
            .client()
            .await
            .get_service_info(GetServiceInfoRequest {})
            .await;
        answer.is_err_and(|status| status.code() == Code::ResourceExhausted)
    })
    .await;
    call
}

/// A status and, when it is OK, the message.
pub struct RawAnswer {
    pub code: Code,
    pub message: Bytes,
}

impl RawCall {
    pub fn send(&mut self, bytes: Bytes, is_last: bool) {
        // An error means that the server answered already and wants no more.
        drop(self.body.send_data(bytes, is_last));
    }

    pub async fn answer(self) -> RawAnswer {
        let Self { response, body } = self;
        let (head, mut answer) = response.await.expect("the server answers").into_parts();
        let message = message(&mut answer).await;
        let trailers = answer
            .trailers()
            .await
            .expect("the answer is whole")
            .unwrap_or_default();
        drop(body);
        let code = code(&head.headers)
            .or_else(|| code(&trailers))
            .expect("a status");
        RawAnswer { code, message }
    }
}

async fn message(answer: &mut RecvStream) -> Bytes {
    let mut bytes = BytesMut::new();
    while let Some(data) = answer.data().await {
        let data = data.expect("the answer is whole");
        answer
            .flow_control()
            .release_capacity(data.len())
            .expect("was received");
        bytes.extend_from_slice(&data);
    }
    // A message follows its flag and its length.
    bytes.split_off(bytes.len().min(5)).freeze()
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers
        .get("grpc-status")
        .map(|value| Code::from_bytes(value.as_bytes()))
}

/// A message as gRPC sends it: not compressed, its length, its bytes.
pub fn framed(message: &impl Message) -> Bytes {
    let encoded = message.encode_to_vec();
    let mut bytes = BytesMut::with_capacity(encoded.len() + 5);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(encoded.len()).expect("below 4 GiB"));
    bytes.extend_from_slice(&encoded);
    bytes.freeze()
}
