//! One self-contained HTML page: pictures with boxes and landmarks, aligned crops, quality bars,
//! the decision in words. It shows faces: whoever writes it must treat it as such.

use std::fmt::Write as _;
use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::look::{escape, head};
use super::{
    Comparison, component_name, decision_name, milliseconds, reason_name, stages, verdict_name,
};
use crate::grpc::proto;
use crate::sample::align::{ARCFACE_112, aligned_crop};
use crate::sample::decode::{ImageLimits, decode};
use crate::sample::geometry::{Landmarks, Point};
use crate::sample::picture::Picture;

/// Longest side of a picture in the report, pixels.
const SHOWN_SIDE_PX: u32 = 640;

/// The page of these comparisons.
#[must_use]
pub fn page(comparisons: &[Comparison]) -> String {
    let mut html = head("padan: verification report", "");
    html.push_str(
        "<body><header><h1>padan</h1><p>Verification report. It shows faces: keep it as you would \
         keep the photographs themselves.</p></header>",
    );
    for comparison in comparisons {
        section(&mut html, comparison);
    }
    html.push_str("</body></html>\n");
    html
}

// Writing to a string does not fail, so the results of `write!` are dropped below.

fn section(html: &mut String, comparison: &Comparison) {
    let response = &comparison.response;
    let name = decision_name(response.decision());
    let _ = write!(
        html,
        "<section><h2>{}</h2><p class=\"decision {name}\">{name}</p><p>{}</p>",
        escape(&comparison.title),
        sentence(response)
    );
    if !response.reasons.is_empty() {
        html.push_str("<ul class=\"reasons\">");
        for reason in &response.reasons {
            let _ = write!(
                html,
                "<li><code>{}</code> {}<br><span lang=\"id\">{}</span></li>",
                reason_name(reason.code),
                escape(&reason.text_en),
                escape(&reason.text_id)
            );
        }
        html.push_str("</ul>");
    }
    similarity_scale(html, response);
    html.push_str("<div class=\"samples\">");
    let times = response.times.unwrap_or_default();
    let probe = (&response.probe, &comparison.probe, times.probe);
    let reference = (&response.reference, &comparison.reference, times.reference);
    for (side, (report, bytes, times)) in [("Probe", probe), ("Reference", reference)] {
        if let Some(report) = report {
            sample(html, side, report, bytes, &times.unwrap_or_default());
        }
    }
    let _ = write!(
        html,
        "</div><p class=\"facts\">Policy <code>{}</code> · model contract <code>{}</code> · \
         {:.1} ms from request to decision</p></section>",
        escape(&response.policy_version),
        escape(&response.model_contract_id),
        milliseconds(times.total_us)
    );
}

/// The decision in words, with the numbers behind it.
fn sentence(response: &proto::VerifyResponse) -> String {
    let Some(similarity) = response.similarity else {
        return match response.decision() {
            proto::Decision::RetryCapture => {
                "Nothing was compared: the probe is not good enough. \
                 Capture it again as the text below says."
            }
            _ => "Nothing was compared. A person has to look.",
        }
        .to_owned();
    };
    let rate = if response.fmr > 0.0 {
        1.0 / response.fmr
    } else {
        0.0
    };
    let basis = format!(
        "The similarity is {similarity:.3}; a match takes {:.3}, which two different people reach \
         about once in {rate:.0} comparisons",
        response.threshold
    );
    match response.decision() {
        proto::Decision::Match => format!("{basis}. The samples match."),
        proto::Decision::NoMatch => format!("{basis}. The samples do not match."),
        _ => format!(
            "{basis}. It lies in the band from {:.3} where a person has to look.",
            response.review_from
        ),
    }
}

/// A line from −0.2 to 1 with the bands of the policy and the similarity on it.
fn similarity_scale(html: &mut String, response: &proto::VerifyResponse) {
    let Some(similarity) = response.similarity else {
        return;
    };
    let x = |value: f32| (value.clamp(-0.2, 1.0) + 0.2) / 1.2 * 600.0;
    let (review, threshold, found) = (
        x(response.review_from),
        x(response.threshold),
        x(similarity),
    );
    let _ = write!(
        html,
        "<svg class=\"scale\" viewBox=\"0 0 600 46\" role=\"img\" aria-label=\"similarity\">\
         <rect class=\"no\" x=\"0\" y=\"14\" width=\"{review}\" height=\"10\"/>\
         <rect class=\"review\" x=\"{review}\" y=\"14\" width=\"{}\" height=\"10\"/>\
         <rect class=\"yes\" x=\"{threshold}\" y=\"14\" width=\"{}\" height=\"10\"/>\
         <line x1=\"{found}\" x2=\"{found}\" y1=\"8\" y2=\"30\"/>\
         <text x=\"0\" y=\"42\">-0.2</text><text x=\"100\" y=\"42\" class=\"mid\">0</text>\
         <text x=\"600\" y=\"42\" class=\"end\">1</text>\
         <text x=\"{threshold}\" y=\"42\" class=\"mid\">match from {:.3}</text>\
         <text x=\"{found}\" y=\"6\" class=\"mid found\">{similarity:.3}</text></svg>",
        (threshold - review).max(0.0),
        (600.0 - threshold).max(0.0),
        response.threshold
    );
}

fn sample(
    html: &mut String,
    side: &str,
    report: &proto::SampleReport,
    bytes: &[u8],
    times: &proto::SampleTimes,
) {
    let _ = write!(html, "<div class=\"sample\"><h3>{side}</h3>");
    if let Ok(picture) = decode(bytes, &ImageLimits::default()) {
        annotated(html, report, &picture);
        crops(html, report, &picture);
    }
    html.push_str("<table><thead><tr><th>quality</th><th>0 to 100</th><th></th></tr></thead>");
    for measure in &report.quality {
        bar(html, measure);
    }
    html.push_str("</table><p class=\"facts\">");
    for (stage, took) in stages(times) {
        let _ = write!(html, "{stage} {:.2} ms &ensp;", milliseconds(took));
    }
    html.push_str("</p></div>");
}

/// The sample with boxes and landmarks drawn over it.
fn annotated(html: &mut String, report: &proto::SampleReport, picture: &Picture) {
    let (width, height) = (report.width, report.height);
    let Some(uri) = jpeg_uri(picture) else {
        return;
    };
    let _ = write!(
        html,
        "<svg class=\"picture\" viewBox=\"0 0 {width} {height}\"><image href=\"{uri}\" \
         width=\"{width}\" height=\"{height}\"/>"
    );
    let stroke = f64::from(width.max(height)) / 250.0;
    for face in &report.faces {
        let area = face.r#box.unwrap_or_default();
        let class = if face.selected { "selected" } else { "other" };
        let _ = write!(
            html,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" \
             stroke-width=\"{stroke}\"/>",
            area.x, area.y, area.width, area.height
        );
        for point in landmark_points(face).into_iter().flatten() {
            let _ = write!(
                html,
                "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{stroke}\"/>",
                point.x, point.y
            );
        }
    }
    html.push_str("</svg>");
}

/// The aligned face as the model saw it.
fn crops(html: &mut String, report: &proto::SampleReport, picture: &Picture) {
    for face in report.faces.iter().filter(|face| face.selected) {
        let points = landmark_points(face).map(|point| {
            let point = point.unwrap_or_default();
            Point::new(point.x, point.y)
        });
        let crop = aligned_crop(picture, &Landmarks::from_points(points), &ARCFACE_112);
        if let Some(uri) = crop.ok().and_then(|crop| jpeg_uri(&crop)) {
            let _ = write!(
                html,
                "<figure><img class=\"crop\" src=\"{uri}\" alt=\"aligned face\">\
                 <figcaption>as the model saw it</figcaption></figure>"
            );
        }
    }
}

fn landmark_points(face: &proto::Face) -> [Option<proto::Point>; 5] {
    let landmarks = face.landmarks.unwrap_or_default();
    [
        landmarks.right_eye,
        landmarks.left_eye,
        landmarks.nose_tip,
        landmarks.right_mouth_corner,
        landmarks.left_mouth_corner,
    ]
}

/// One quality measure as a row with a bar and a mark at its limit.
fn bar(html: &mut String, measure: &proto::QualityMeasure) {
    let verdict = verdict_name(measure);
    let value = measure.value.clamp(0, 100);
    let _ = write!(
        html,
        "<tr class=\"{verdict}\"><td>{}</td><td><svg class=\"bar\" viewBox=\"0 0 100 8\" \
         preserveAspectRatio=\"none\"><rect class=\"back\" width=\"100\" height=\"8\"/>\
         <rect class=\"value\" width=\"{value}\" height=\"8\"/>\
         <rect class=\"limit\" x=\"{}\" width=\"0.8\" height=\"8\"/></svg></td>\
         <td>{} <small>({})</small></td></tr>",
        component_name(measure).replace('_', " "),
        measure.limit,
        if measure.value < 0 {
            "–".to_owned()
        } else {
            measure.value.to_string()
        },
        verdict.replace('_', " ")
    );
}

/// A picture as a JPEG in a `data:` URI, scaled down to the report's size.
fn jpeg_uri(picture: &Picture) -> Option<String> {
    let longer = picture.longer_side();
    let shown = if longer > SHOWN_SIDE_PX {
        let scaled = |side: u32| (side * SHOWN_SIDE_PX / longer).max(1);
        picture
            .resized(scaled(picture.width()), scaled(picture.height()))
            .ok()?
    } else {
        picture.clone()
    };
    let image = image::RgbImage::from_raw(shown.width(), shown.height(), shown.rgb().to_vec())?;
    let mut bytes = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Jpeg)
        .ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_escaped() {
        let comparison = Comparison {
            title: "<script>alert(1)</script>".to_owned(),
            response: proto::VerifyResponse {
                policy_version: "\"><b>".to_owned(),
                ..proto::VerifyResponse::default()
            },
            probe: bytes::Bytes::new(),
            reference: bytes::Bytes::new(),
        };
        let page = page(&[comparison]);
        assert!(!page.contains("<script>") && !page.contains("\"><b>"));
        assert!(page.contains("&lt;script&gt;"));
    }
}
