//! Reasons and what an operator should do about each, in Indonesian and English.

use super::Decision;

/// Why a decision is not a match, or what is wrong with a sample.
///
/// The order of the variants is severity, worst first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReasonCode {
    /// No consent or legal basis is recorded.
    ConsentMissing,
    /// The account or device is not authorised for this.
    OperatorNotAllowed,
    /// The number is no NIK.
    NikMalformed,
    /// The registry has to look at this number first.
    NikStatusBlocked,
    /// No portrait is enrolled.
    ReferenceNotFound,
    /// The portrait is on its way, or has no template of the served model yet.
    ReferenceNotSynced,
    /// No comparison is left in this session or on this day.
    AttemptsExceeded,
    /// The enrolled sample is not fit for comparison.
    ReferenceLowQuality,
    /// No face was found.
    NoFace,
    /// A second comparable face is in view.
    MultipleFaces,
    /// Too few pixels on the face.
    FaceTooSmall,
    /// Part of the face lies outside the picture.
    FaceCropped,
    /// Head turned, raised or tilted too far.
    Pose,
    /// Not sharp enough.
    Blur,
    /// Not enough light.
    TooDark,
    /// Too much light, or light from behind.
    TooBrightBacklit,
    /// The similarity lies in the review band.
    Borderline,
    /// The similarity lies below the review band.
    FaceMismatch,
}

impl ReasonCode {
    /// What can be wrong with one sample, worst first.
    pub const SAMPLE_FAULTS: [Self; 8] = [
        Self::NoFace,
        Self::MultipleFaces,
        Self::FaceTooSmall,
        Self::FaceCropped,
        Self::Pose,
        Self::Blur,
        Self::TooDark,
        Self::TooBrightBacklit,
    ];

    /// The decision this reason leads to when it is the worst one.
    #[must_use]
    pub const fn decision(self) -> Decision {
        match self {
            Self::ConsentMissing
            | Self::OperatorNotAllowed
            | Self::NikMalformed
            | Self::NikStatusBlocked
            | Self::ReferenceNotFound
            | Self::ReferenceNotSynced => Decision::CannotVerify,
            Self::AttemptsExceeded | Self::ReferenceLowQuality | Self::Borderline => {
                Decision::ManualReview
            }
            Self::FaceMismatch => Decision::NoMatch,
            Self::NoFace
            | Self::MultipleFaces
            | Self::FaceTooSmall
            | Self::FaceCropped
            | Self::Pose
            | Self::Blur
            | Self::TooDark
            | Self::TooBrightBacklit => Decision::RetryCapture,
        }
    }

    /// The name used in logs, metrics and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsentMissing => "CONSENT_MISSING",
            Self::OperatorNotAllowed => "OPERATOR_NOT_ALLOWED",
            Self::NikMalformed => "NIK_MALFORMED",
            Self::NikStatusBlocked => "NIK_STATUS_BLOCKED",
            Self::ReferenceNotFound => "REFERENCE_NOT_FOUND",
            Self::ReferenceNotSynced => "REFERENCE_NOT_SYNCED",
            Self::AttemptsExceeded => "ATTEMPTS_EXCEEDED",
            Self::ReferenceLowQuality => "REFERENCE_LOW_QUALITY",
            Self::NoFace => "NO_FACE",
            Self::MultipleFaces => "MULTIPLE_FACES",
            Self::FaceTooSmall => "FACE_TOO_SMALL",
            Self::FaceCropped => "FACE_CROPPED",
            Self::Pose => "POSE",
            Self::Blur => "BLUR",
            Self::TooDark => "TOO_DARK",
            Self::TooBrightBacklit => "TOO_BRIGHT_BACKLIT",
            Self::Borderline => "BORDERLINE",
            Self::FaceMismatch => "FACE_MISMATCH",
        }
    }

    /// What the operator should do, in Indonesian.
    #[must_use]
    pub const fn text_id(self) -> &'static str {
        match self {
            Self::ConsentMissing => {
                "Persetujuan belum tercatat. Bacakan pemberitahuan privasi. KTP fisik tetap berlaku."
            }
            Self::OperatorNotAllowed => "Akun atau perangkat tidak berwenang. Hubungi penyelia.",
            Self::NikMalformed => "Format NIK salah. Periksa 16 angka.",
            Self::NikStatusBlocked => "Status NIK perlu diperiksa di loket kependudukan.",
            Self::ReferenceNotFound => "Belum ada foto rekaman KTP-el. Arahkan ke perekaman.",
            Self::ReferenceNotSynced => {
                "Foto baru belum tersinkron. Beri tahu pemohon untuk kembali; jangan rekam ulang."
            }
            Self::AttemptsExceeded => "Batas percobaan tercapai. Alihkan ke pemeriksaan manual.",
            Self::ReferenceLowQuality => {
                "Foto acuan kurang baik. Periksa manual dan sarankan perekaman ulang."
            }
            Self::NoFace => {
                "Wajah tidak terlihat. Minta pemohon duduk menghadap kamera, jarak sekitar 50 cm."
            }
            Self::MultipleFaces => {
                "Ada lebih dari satu wajah. Pastikan hanya pemohon di depan kamera."
            }
            Self::FaceTooSmall => "Wajah terlalu jauh. Minta pemohon mendekat.",
            Self::FaceCropped => "Wajah terpotong. Mundur sedikit sampai dahi dan dagu terlihat.",
            Self::Pose => "Kepala miring atau menoleh. Minta melihat lurus ke kamera.",
            Self::Blur => "Gambar buram. Bersihkan lensa, minta diam 2 detik.",
            Self::TooDark => "Terlalu gelap. Nyalakan lampu atau hadapkan pemohon ke arah cahaya.",
            Self::TooBrightBacklit => "Cahaya terlalu kuat atau dari belakang. Ubah posisi duduk.",
            Self::Borderline => {
                "Kemiripan belum cukup, mungkin foto KTP sudah lama. Lanjutkan ke pemeriksaan \
                 manual."
            }
            Self::FaceMismatch => {
                "Wajah tidak cocok dengan data. Periksa NIK, ulangi; bila tetap gagal, alihkan ke \
                 pemeriksaan manual."
            }
        }
    }

    /// What the operator should do, in English.
    #[must_use]
    pub const fn text_en(self) -> &'static str {
        match self {
            Self::ConsentMissing => {
                "Consent not recorded. Read the privacy notice. The printed card stays valid."
            }
            Self::OperatorNotAllowed => "Account or device not authorised. Call the supervisor.",
            Self::NikMalformed => "NIK format wrong. Check the 16 digits.",
            Self::NikStatusBlocked => "NIK status must be checked at the registry desk.",
            Self::ReferenceNotFound => "No recorded portrait. Send to KTP-el recording.",
            Self::ReferenceNotSynced => {
                "New portrait not yet synchronised. Ask to return; do not re-record."
            }
            Self::AttemptsExceeded => "Attempt limit reached. Use manual check.",
            Self::ReferenceLowQuality => {
                "Reference portrait is poor. Check manually; suggest re-recording."
            }
            Self::NoFace => "No face seen. Seat the applicant facing the camera, about 50 cm away.",
            Self::MultipleFaces => "More than one face. Only the applicant should be in view.",
            Self::FaceTooSmall => "Face too far. Ask the applicant to come closer.",
            Self::FaceCropped => "Face cut off. Move back until forehead and chin show.",
            Self::Pose => "Head turned or tilted. Look straight at the camera.",
            Self::Blur => "Blurred. Clean the lens and hold still for 2 seconds.",
            Self::TooDark => "Too dark. Switch on a light or face the light.",
            Self::TooBrightBacklit => "Too bright or lit from behind. Change the seat.",
            Self::Borderline => {
                "Similarity not conclusive, the card portrait may be old. Go to manual check."
            }
            Self::FaceMismatch => {
                "Face does not match. Check the NIK, retry; if it fails again, use manual check."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_listed_worst_first_and_ask_for_another_capture() {
        assert!(ReasonCode::SAMPLE_FAULTS.is_sorted());
        for fault in ReasonCode::SAMPLE_FAULTS {
            assert_eq!(fault.decision(), Decision::RetryCapture);
            assert!(fault.text_en().ends_with('.') && fault.text_id().ends_with('.'));
        }
    }
}
