//! Which service gets a request. Native gRPC goes straight to its service by its path; everything else pays for its own
//! layers only.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use nimaora_api::explained::Explained;
use nimaora_api::v1::audit_service_server::{AuditServiceServer, SERVICE_NAME as AUDITS};
use nimaora_api::v1::command_service_server::{CommandServiceServer, SERVICE_NAME as COMMANDS};
use nimaora_api::v1::projection_admin_service_server::{
    ProjectionAdminServiceServer, SERVICE_NAME as PROJECTIONS,
};
use nimaora_api::v1::query_service_server::{QueryServiceServer, SERVICE_NAME as QUERIES};
use nimaora_api::v1::realtime_admin_service_server::{RealtimeAdminServiceServer, SERVICE_NAME as REALTIME};
use nimaora_command_service::grpc::Commands;
use nimaora_query_gateway::grpc::Queries;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_reflection::pb::v1::server_reflection_server::SERVICE_NAME as REFLECTION;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer, Service};
use tower_http::cors::{AllowHeaders, Any, Cors, CorsLayer};

use super::body::{Fault, Intake, RequestBody};
use super::projections::ProjectionAdmin;
use super::refusal;
use super::sent_boards::SentBoards;
use crate::audit::AuditAdmin;

/// For how long a browser may remember what it was allowed.
const CORS_MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);
/// The answers' headers that a page may read: how a call ended when it has no body.
const EXPOSED: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// All services of the port. A clone is made for each connection and request; all of it is shared.
#[derive(Clone)]
pub(super) struct Front {
    /// Absent where the process has not the role; the same goes for the others.
    commands: Option<Explained<CommandServiceServer<Commands>>>,
    queries: Option<Explained<QueryServiceServer<Queries>>>,
    projections: Option<Explained<ProjectionAdminServiceServer<ProjectionAdmin>>>,
    audits: Option<Explained<AuditServiceServer<AuditAdmin>>>,
    realtime: Option<Explained<RealtimeAdminServiceServer<SentBoards>>>,
    /// Health and reflection.
    other_grpc: Routes,
    /// All gRPC services for browsers, and the answers to their preflight requests.
    web: Cors<GrpcWebService<Routes>>,
    /// Sockets, signatures, probes.
    pages: Cors<Router>,
    /// What the bodies of requests may take.
    intake: Arc<Intake>,
}

/// What a request is, as far as it decides who gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Grpc,
    GrpcWeb,
    Page,
}

/// The services that answer admins alone. Absent where the process has not the role.
pub(super) struct ForAdmins {
    pub(super) projections: Option<ProjectionAdminServiceServer<ProjectionAdmin>>,
    pub(super) audits: Option<AuditServiceServer<AuditAdmin>>,
    pub(super) realtime: Option<RealtimeAdminServiceServer<SentBoards>>,
}

impl Front {
    pub(super) fn new(
        commands: Option<CommandServiceServer<Commands>>,
        queries: Option<QueryServiceServer<Queries>>,
        admins: ForAdmins,
        pages: Router,
        other_grpc: Routes,
        intake: Intake,
    ) -> Self {
        let (commands, queries) = (commands.map(Explained::new), queries.map(Explained::new));
        let ForAdmins { projections, audits, realtime } = admins;
        let (projections, audits) = (projections.map(Explained::new), audits.map(Explained::new));
        let realtime = realtime.map(Explained::new);
        let mut all = other_grpc.clone();
        if let Some(commands) = &commands {
            all = all.add_service(commands.clone());
        }
        if let Some(queries) = &queries {
            all = all.add_service(queries.clone());
        }
        if let Some(projections) = &projections {
            all = all.add_service(projections.clone());
        }
        if let Some(audits) = &audits {
            all = all.add_service(audits.clone());
        }
        if let Some(realtime) = &realtime {
            all = all.add_service(realtime.clone());
        }
        let web = cors().layer(GrpcWebLayer::new().layer(all.prepare()));
        let pages = cors().layer(pages);
        let (other_grpc, intake) = (other_grpc.prepare(), Arc::new(intake));
        Self { commands, queries, projections, audits, realtime, other_grpc, web, pages, intake }
    }
}

impl Front {
    /// What a gRPC service answers. These services are always ready; `poll_ready` has nothing to say.
    fn grpc(&self, request: Request<Incoming>) -> Answering {
        let bounded = |request: Request<Incoming>| request.map(|body| RequestBody::new(body, &self.intake));
        match (service_of(request.uri().path()), &self.commands, &self.queries) {
            (COMMANDS, Some(commands), _) => Box::pin(commands.clone().call(bounded(request))),
            (QUERIES, _, Some(queries)) => Box::pin(queries.clone().call(bounded(request))),
            (COMMANDS, None, _) => elsewhere("takes no commands", "command"),
            (QUERIES, _, None) => elsewhere("answers no queries", "query"),
            (PROJECTIONS, ..) => match &self.projections {
                Some(projections) => Box::pin(projections.clone().call(bounded(request))),
                None => elsewhere("knows nothing of projections", "projection"),
            },
            (AUDITS, ..) => match &self.audits {
                Some(audits) => Box::pin(audits.clone().call(bounded(request))),
                None => elsewhere("cannot audit", "projection"),
            },
            (REALTIME, ..) => match &self.realtime {
                Some(realtime) => Box::pin(realtime.clone().call(bounded(request))),
                None => elsewhere("serves no sockets", "realtime"),
            },
            // A stream of questions, which ends when its client has no more of them; each of them is small.
            (REFLECTION, ..) => Box::pin(self.other_grpc.clone().call(request)),
            (..) => Box::pin(self.other_grpc.clone().call(bounded(request))),
        }
    }

    /// What the service answers, unless the request's body was given up.
    fn with_body<Answer>(
        &self,
        request: Request<Incoming>,
        service: impl FnOnce(Request<RequestBody>) -> Answer,
    ) -> Answering
    where
        Answer: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let (head, body) = request.into_parts();
        let (body, mark) = RequestBody::marked(body, &self.intake);
        let answer = service(Request::from_parts(head, body));
        Box::pin(async move {
            let answer = answer.await?;
            Ok(match mark.fault() {
                None => answer,
                Some(Fault::Late) => {
                    let mut late = Response::new(Body::empty());
                    *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
                    late
                }
                Some(fault @ Fault::Full) => refusal::instead_of(answer, &fault.status()),
            })
        })
    }
}

/// The call is one for a process with another role.
fn elsewhere(what: &str, role: &str) -> Answering {
    let message = format!("this process {what}; ask one with the role '{role}'");
    let status = nimaora_api::details::status(tonic::Code::Unimplemented, "ROLE_ABSENT", message);
    Box::pin(async move { Ok(status.into_http()) })
}

/// Any page may call: rights come with a token in a header, never with a cookie that a browser adds by itself.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(CORS_MAX_AGE)
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        match Kind::of(request.method(), request.version(), request.headers()) {
            Kind::Grpc => self.grpc(request),
            Kind::GrpcWeb => {
                let mut web = self.web.clone();
                self.with_body(request, move |request| web.call(request))
            }
            Kind::Page => {
                let mut pages = self.pages.clone();
                self.with_body(request, move |request| {
                    let answer = pages.call(request.map(axum::body::Body::new));
                    async move { Ok(answer.await?.map(Body::new)) }
                })
            }
        }
    }
}

impl Kind {
    fn of(method: &Method, version: Version, headers: &HeaderMap) -> Self {
        const GRPC: &[u8] = b"application/grpc";
        if method == Method::OPTIONS {
            // A preflight request asks for the whole port.
            return Self::GrpcWeb;
        }
        let content_type = headers.get(CONTENT_TYPE).map_or(b"".as_slice(), |value| value.as_bytes());
        match content_type.strip_prefix(GRPC) {
            None => Self::Page,
            // gRPC ends with trailers, which HTTP/1.1 clients do not read; the web layer says so.
            Some(rest) if rest.starts_with(b"-web") || version != Version::HTTP_2 => Self::GrpcWeb,
            Some(_) => Self::Grpc,
        }
    }
}

/// The service in a path of the form `/{service}/{method}`.
fn service_of(path: &str) -> &str {
    path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(service, _)| service)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn kind(method: Method, version: Version, content_type: Option<&'static str>) -> Kind {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        Kind::of(&method, version, &headers)
    }

    #[test]
    fn requests_are_told_apart() {
        let (h1, h2) = (Version::HTTP_11, Version::HTTP_2);
        for (version, content_type, expected) in [
            (h2, Some("application/grpc"), Kind::Grpc),
            (h2, Some("application/grpc+proto"), Kind::Grpc),
            (h2, Some("application/grpc-web+proto"), Kind::GrpcWeb),
            (h1, Some("application/grpc-web-text"), Kind::GrpcWeb),
            (h1, Some("application/grpc"), Kind::GrpcWeb),
            (h1, Some("application/json"), Kind::Page),
            (h2, None, Kind::Page),
        ] {
            assert_eq!(kind(Method::POST, version, content_type), expected, "{content_type:?}");
        }
        assert_eq!(kind(Method::OPTIONS, h1, None), Kind::GrpcWeb);
    }

    #[test]
    fn a_path_names_its_service() {
        assert_eq!(service_of("/nimaora.v1.CommandService/Attack"), COMMANDS);
        assert_eq!(service_of("/nimaora.v1.QueryService/"), QUERIES);
        for path in ["", "/", "//", "nimaora.v1.CommandService/Attack", "/nimaora.v1.CommandService"] {
            assert_eq!(service_of(path), "", "{path}");
        }
    }
}
