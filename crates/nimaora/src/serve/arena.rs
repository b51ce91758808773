//! The arena: the page to play and to watch in a browser. Its files are made in `web/` and built into the program.

use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

/// What the page may do: run its own script, and talk to the server that it came from.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
/// Bytes of a digest that tell two versions of a file apart.
const TAG_BYTES: usize = 16;

/// The page itself; the others are named by it.
const PAGE: &str = "index.html";

/// Every file: its name, its type and what is in it.
const FILES: [(&str, &str, &[u8]); 5] = [
    (PAGE, "text/html; charset=utf-8", include_bytes!("../../../../web/dist/index.html")),
    ("arena.js", "text/javascript; charset=utf-8", include_bytes!("../../../../web/dist/arena.js")),
    ("arena.css", "text/css; charset=utf-8", include_bytes!("../../../../web/dist/arena.css")),
    ("mark.svg", "image/svg+xml", include_bytes!("../../../../web/dist/mark.svg")),
    ("licences.txt", "text/plain; charset=utf-8", include_bytes!("../../../../web/dist/licences.txt")),
];

/// The files as they are sent. They are made ready when somebody first asks for one.
static READY: LazyLock<Vec<File>> = LazyLock::new(|| FILES.iter().map(File::new).collect());

/// A file, ready to be sent.
struct File {
    name: &'static str,
    content_type: &'static str,
    plain: Form,
    compressed: Form,
}

/// One form of a file, and the tag that a browser knows it by.
struct Form {
    content: Bytes,
    tag: String,
}

/// `/`, and what the page at that path is made of.
pub(super) fn routes() -> Router {
    Router::new().route("/", get(|headers: HeaderMap| async move { answer(PAGE, &headers) })).route(
        "/arena/{name}",
        get(|Path(name): Path<String>, headers: HeaderMap| async move { answer(&name, &headers) }),
    )
}

fn answer(name: &str, asked: &HeaderMap) -> Response {
    match READY.iter().find(|file| file.name == name) {
        Some(file) => file.answer(asked),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl File {
    fn new((name, content_type, content): &(&'static str, &'static str, &'static [u8])) -> Self {
        let digest = hex::encode(&Sha256::digest(content)[..TAG_BYTES]);
        let plain = Form { content: Bytes::from_static(content), tag: format!("\"{digest}\"") };
        let compressed = Form { content: gzip(content), tag: format!("\"{digest}-gzip\"") };
        Self { name, content_type, plain, compressed }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let takes_gzip = names(asked, ACCEPT_ENCODING, "gzip");
        let form = if takes_gzip { &self.compressed } else { &self.plain };
        let mut answer = if names(asked, IF_NONE_MATCH, &form.tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(Body::from(form.content.clone()))
        };
        let headers = answer.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, self.content_type),
            // A browser asks each time whether it has the newest, so that it never runs an old page against a new server.
            (CACHE_CONTROL, "no-cache"),
            (VARY, "accept-encoding"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Ok(tag) = HeaderValue::from_str(&form.tag) {
            headers.insert(ETAG, tag);
        }
        if takes_gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        answer
    }
}

/// Whether one of a header's values, which commas part, is this one. What a browser says about weight and weakness is passed over:
/// none of them refuses gzip by a weight of nothing.
fn names(headers: &HeaderMap, header: HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    let mut parts = values.flat_map(|value| value.split(','));
    parts.any(|part| {
        let part = part.split(';').next().unwrap_or_default().trim();
        part.strip_prefix("W/").unwrap_or(part) == wanted
    })
}

/// Writing to memory does not fail.
fn gzip(content: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, headers: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let answer = routes().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        (head.status, head.headers, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn the_page_and_all_that_it_names_are_there() {
        let (status, headers, page) = ask("/", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        let page = std::str::from_utf8(&page).unwrap();
        let named: Vec<_> = page.split('"').filter(|part| part.starts_with("/arena/")).collect();
        assert_eq!(named.len(), FILES.len() - 1);
        for path in named {
            let (status, headers, content) = ask(path, &[]).await;
            assert_eq!((status, content.is_empty()), (StatusCode::OK, false), "{path}");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn what_is_compressed_is_the_same() {
        let (_, plain_headers, plain) = ask("/arena/arena.js", &[]).await;
        let (_, headers, packed) = ask("/arena/arena.js", &[(ACCEPT_ENCODING, "br, gzip;q=0.8")]).await;
        assert_eq!(headers[CONTENT_ENCODING], "gzip");
        assert!(packed.len() < plain.len() / 2);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
        assert_ne!(headers[ETAG], plain_headers[ETAG]);
    }

    #[tokio::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let (_, headers, _) = ask("/", &[]).await;
        let tag = headers[ETAG].to_str().unwrap();
        for known in [tag.to_owned(), format!("W/{tag}"), format!("\"x\", {tag}")] {
            let (status, headers, content) = ask("/", &[(IF_NONE_MATCH, &known)]).await;
            assert_eq!((status, content.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert_eq!(headers[ETAG], tag);
        }
        assert_eq!(ask("/", &[(IF_NONE_MATCH, "\"x\"")]).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn nothing_else_is_there() {
        for path in ["/index.html", "/arena/", "/arena/other.js", "/arena/..%2fCargo.toml", "/arena/a/b"] {
            assert_eq!(ask(path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }
}
