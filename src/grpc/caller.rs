//! Who calls, as the door says.

use tonic::{Request, Status};

use super::admission::Admitted;
use super::status;
use crate::access::Caller;

/// The caller. Without a door in front, nobody is served.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>();
    caller
        .cloned()
        .ok_or_else(|| status::internal("no door in front of the service"))
}

/// The slot for the request's id, which the door logs; none without a door.
pub(super) fn slot<T>(request: &Request<T>) -> Option<Admitted> {
    request.extensions().get::<Admitted>().cloned()
}

/// Tells the door the request's id.
pub(super) fn announce(slot: Option<&Admitted>, request_id: &str) {
    if let Some(slot) = slot {
        // The door made it for this request alone: it is empty.
        drop(slot.request_id.set(request_id.to_owned()));
    }
}
