//! Wire types to domain types and back. Requests are validated whole: every bad field is named.

pub mod audit;
pub mod enrollment;
pub mod models;
pub mod privacy;
pub mod requests;
pub mod responses;
pub mod reviews;
pub mod subjects;
