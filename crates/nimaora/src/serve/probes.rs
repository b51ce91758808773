//! What those who watch a server ask: is it alive, is it ready, how is it doing. Over HTTP, and as gRPC health and
//! reflection.

use std::sync::{Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nimaora_api::v1::audit_service_server::SERVICE_NAME as AUDITS;
use nimaora_api::v1::command_service_server::SERVICE_NAME as COMMANDS;
use nimaora_api::v1::projection_admin_service_server::SERVICE_NAME as PROJECTIONS;
use nimaora_api::v1::query_service_server::SERVICE_NAME as QUERIES;
use nimaora_runtime::telemetry::{self, Metrics};
use nimaora_runtime::{Health, Shutdown};
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::server::Builder;

use super::ServeError;

/// The gRPC services whose health is told; the empty name is the whole server.
const SERVICES: [&str; 5] = ["", COMMANDS, QUERIES, PROJECTIONS, AUDITS];

/// The largest question about health or the API's descriptors, in bytes: the name of a service, a type or a file. A larger one is
/// answered `OUT_OF_RANGE`.
const QUESTION_BYTES_MAX: usize = 4 * 1024;

/// The process's metrics. Several servers in one process share them.
pub(super) fn metrics() -> Result<Metrics, ServeError> {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    static SETTING_UP: Mutex<()> = Mutex::new(());
    let _alone = SETTING_UP.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metrics) = METRICS.get() {
        return Ok(metrics.clone());
    }
    let metrics = telemetry::init_metrics()?;
    super::metrics::describe();
    nimaora_change_bus::metrics::describe();
    nimaora_command_service::metrics::describe();
    nimaora_event_log::metrics::describe();
    nimaora_event_log_server::metrics::describe();
    nimaora_projection_service::metrics::describe();
    nimaora_query_gateway::metrics::describe();
    nimaora_read_models::metrics::describe();
    nimaora_realtime::metrics::describe();
    Ok(METRICS.get_or_init(|| metrics).clone())
}

/// `/healthz`, `/readyz` and `/metrics`.
pub(super) fn routes(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready).with_state(health))
        .route("/metrics", get(figures).with_state(metrics))
}

async fn ready(State(health): State<Health>) -> Response {
    let missing = health.missing();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    let reasons: String = missing.into_iter().map(|(part, why)| format!("{part}: {why}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
}

async fn figures(State(metrics): State<Metrics>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

/// Tells gRPC clients whether the server is ready.
pub(super) struct Reporter(HealthReporter);

impl Reporter {
    pub(super) fn new() -> Self {
        Self(HealthReporter::new())
    }

    /// Health and reflection.
    pub(super) fn grpc(&self) -> Result<Routes, ServeError> {
        let health = HealthService::from_health_reporter(self.0.clone());
        let reflection = Builder::configure()
            .register_encoded_file_descriptor_set(nimaora_api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?
            .max_decoding_message_size(QUESTION_BYTES_MAX);
        let health = tonic_health::pb::health_server::HealthServer::new(health)
            .max_decoding_message_size(QUESTION_BYTES_MAX);
        Ok(Routes::new(health).add_service(reflection))
    }

    /// Repeats each change of readiness until the server stops; a stopping server is not ready.
    pub(super) async fn run(self, health: Health, shutdown: Shutdown) {
        let mut changes = health.watch();
        loop {
            let ready = *changes.borrow_and_update();
            self.tell(if ready { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
            tokio::select! {
                () = shutdown.requested() => break,
                changed = changes.changed() => if changed.is_err() { break },
            }
        }
        self.tell(ServingStatus::NotServing).await;
    }

    async fn tell(&self, status: ServingStatus) {
        for service in SERVICES {
            self.0.set_service_status(service, status).await;
        }
    }
}
