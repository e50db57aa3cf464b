use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).expect("a time")
}

fn key() -> SigningKey {
    SigningKey::random(KeyKind::Token).expect("random bytes")
}

fn some_claims() -> Claims {
    Claims {
        subject: SubjectHash::from_bytes([7; 32]),
        device: "laptop-17".to_owned(),
        operator: "op-4".to_owned(),
        office: "3174".to_owned(),
        purpose: "activation".to_owned(),
        decision: Decision::Match,
        review: None,
        request_id: "5f0c".to_owned(),
        nonce: [9; 16],
        issued: at(0),
        expires: at(90),
    }
}

/// A token with any payload, signed as padan signs.
fn signed(key: &SigningKey, payload: &str) -> String {
    let signed = format!("{}.{}", header(key.id()), BASE64URL.encode(payload));
    let signature = BASE64URL.encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn payload_of(token: &str) -> String {
    let payload = token.split('.').nth(1).expect("three parts");
    String::from_utf8(BASE64URL.decode(payload).expect("base64url")).expect("UTF-8")
}

#[test]
fn a_token_gives_back_its_claims_to_its_device_in_its_time() {
    let (key, claims) = (key(), some_claims());
    let token = issue(&key, &claims).expect("issued");
    for now in [-5, 0, 1, 89] {
        let found = check(&token, &key.public(), "laptop-17", at(now));
        assert_eq!(found.as_ref(), Ok(&claims), "{now}");
    }
    let cases = [
        (90, "laptop-17", TokenError::Expired),
        (86_400, "laptop-17", TokenError::Expired),
        (-6, "laptop-17", TokenError::NotYetValid),
        (1, "laptop-18", TokenError::OtherDevice),
        (1, "", TokenError::OtherDevice),
    ];
    for (now, device, error) in cases {
        let found = check(&token, &key.public(), device, at(now));
        assert_eq!(found, Err(error), "{now} {device}");
    }
}

#[test]
fn a_token_is_a_jwt_that_others_can_read() {
    let key = key();
    let token = issue(&key, &some_claims()).expect("issued");
    let parts: Vec<_> = token.split('.').collect();
    let [head, payload, signature] = parts[..] else {
        panic!("{token}");
    };
    let json = |part| -> serde_json::Value {
        serde_json::from_slice(&BASE64URL.decode(part).expect("base64url")).expect("JSON")
    };
    assert_eq!(json(head)["alg"], "EdDSA");
    assert_eq!(json(head)["kid"], key.id().as_str());
    assert_eq!(json(payload)["decision"], "MATCH");
    assert_eq!(json(payload)["exp"], 1_800_000_090);
    assert_eq!(BASE64URL.decode(signature).expect("base64url").len(), 64);
}

#[test]
fn signatures_are_those_of_rfc_8037() {
    // RFC 8037, appendices A.1 and A.4.
    let secret = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
    let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let bytes = BASE64URL.decode(secret).expect("base64url");
    let line = crate::keys::SigningKey::from_slice(KeyKind::Token, &bytes).expect("32 bytes");
    assert_eq!(BASE64URL.encode(line.sign(signed.as_bytes())), expected);
    let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    assert_eq!(BASE64URL.encode(line.public().as_bytes()), public);
}

#[test]
fn another_key_or_another_kind_of_key_is_refused() {
    let (key, other) = (key(), key());
    let token = issue(&key, &some_claims()).expect("issued");
    let found = check(&token, &other.public(), "laptop-17", at(1));
    assert_eq!(found, Err(TokenError::Altered));
    // The audit key signs something that looks like a token.
    let audit = SigningKey::random(KeyKind::Audit).expect("random bytes");
    let forged = issue(&audit, &some_claims()).expect("issued");
    let found = check(&forged, &audit.public(), "laptop-17", at(1));
    assert_eq!(found, Err(TokenError::Altered));
}

#[test]
fn no_header_chooses_the_algorithm() {
    let key = key();
    let token = issue(&key, &some_claims()).expect("issued");
    let rest = token.split_once('.').expect("three parts").1;
    for head in [
        r#"{"alg":"none","typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        r#"{"alg":"EdDSA"}"#,
        "{}",
        "",
    ] {
        let forged = format!("{}.{rest}", BASE64URL.encode(head));
        let found = check(&forged, &key.public(), "laptop-17", at(1));
        assert_eq!(found, Err(TokenError::Altered), "{head}");
    }
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    let found = check(&format!("{signed}."), &key.public(), "laptop-17", at(1));
    assert_eq!(found, Err(TokenError::Malformed), "no signature");
}

#[test]
fn what_was_signed_but_would_not_be_issued_is_malformed() {
    let key = key();
    let payload = payload_of(&issue(&key, &some_claims()).expect("issued"));
    let check = |payload: &str| check(&signed(&key, payload), &key.public(), "laptop-17", at(1));
    assert!(check(&payload).is_ok(), "the test signs as padan does");
    let changes = [
        (r#""iss":"padan""#, r#""iss":"other""#),
        (r#""MATCH""#, r#""match""#),
        ("1800000090", "1800000091"),
        ("1800000090", "1800000000"),
        ("1800000090", "9223372036854775807"),
        ("1800000090", "\"1800000090\""),
        (r#""device":"laptop-17","#, ""),
        (
            r#""device":"laptop-17","#,
            r#""device":"laptop-17","device":"laptop-17","#,
        ),
        (r#""device":"#, r#""more":1,"device":"#),
        (r#""laptop-17""#, r#""""#),
        ("CQkJ", "CQk"),
    ];
    for (from, to) in changes {
        let changed = payload.replacen(from, to, 1);
        assert_ne!(changed, payload, "{from} is in the payload");
        assert_eq!(check(&changed), Err(TokenError::Malformed), "{changed}");
    }
    for payload in ["", "{}", "null", "[1]"] {
        assert_eq!(check(payload), Err(TokenError::Malformed), "{payload}");
    }
}

#[test]
fn claims_have_limits() {
    let key = key();
    let lives = [(90, true), (91, false), (1, true), (0, false), (-1, false)];
    for (seconds, is_issued) in lives {
        let mut claims = some_claims();
        claims.expires = at(seconds);
        assert_eq!(issue(&key, &claims).is_ok(), is_issued, "{seconds}");
    }
    let mut claims = some_claims();
    claims.office = "x".repeat(NAME_BYTES_MAX + 1);
    assert_eq!(issue(&key, &claims), Err(ClaimsError::Name("the office")));
    claims.office.clear();
    claims.device.clear();
    assert_eq!(issue(&key, &claims), Err(ClaimsError::Name("the device")));
}

#[test]
fn the_longest_token_is_checked_and_a_longer_text_is_not_read() {
    let key = key();
    // Six bytes of JSON for each of them.
    let longest = "\u{1}".repeat(NAME_BYTES_MAX);
    let claims = Claims {
        device: longest.clone(),
        operator: longest.clone(),
        office: longest.clone(),
        purpose: longest.clone(),
        request_id: longest.clone(),
        ..some_claims()
    };
    let token = issue(&key, &claims).expect("issued");
    assert!(token.len() <= TOKEN_BYTES_MAX, "{} bytes", token.len());
    let found = check(&token, &key.public(), &longest, at(1));
    assert_eq!(found, Ok(claims));
    let longer = token + &"A".repeat(TOKEN_BYTES_MAX);
    let found = check(&longer, &key.public(), &longest, at(1));
    assert_eq!(found, Err(TokenError::Malformed));
}

#[test]
fn errors_say_nothing_of_what_is_in_the_token() {
    let key = key();
    let token = issue(&key, &some_claims()).expect("issued");
    let error = check(&token, &key.public(), "laptop-18", at(1)).expect_err("refused");
    assert!(!error.to_string().contains("laptop-1"), "{error}");
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,200}|[A-Za-z0-9_.-]{0,300}") {
        let found = check(&text, &key().public(), "laptop-17", at(1));
        prop_assert!(matches!(found, Err(TokenError::Malformed | TokenError::Altered)));
    }

    /// Whatever one character becomes, the token is worth nothing.
    #[test]
    fn a_changed_character_is_refused(place: prop::sample::Index, character in "[A-Za-z0-9_.=-]") {
        let key = key();
        let token = issue(&key, &some_claims()).expect("issued");
        let mut changed = token.clone();
        let at_byte = place.index(token.len());
        changed.replace_range(at_byte..=at_byte, &character);
        prop_assume!(changed != token);
        let found = check(&changed, &key.public(), "laptop-17", at(1));
        prop_assert!(matches!(found, Err(TokenError::Malformed | TokenError::Altered)));
    }

    #[test]
    fn a_shortened_or_lengthened_token_is_refused(length: prop::sample::Index, more in "[A-Za-z0-9_.=-]{1,9}") {
        let key = key();
        let token = issue(&key, &some_claims()).expect("issued");
        let shortened = &token[..length.index(token.len())];
        for changed in [shortened.to_owned(), format!("{token}{more}"), format!("{more}{token}")] {
            let found = check(&changed, &key.public(), "laptop-17", at(1));
            prop_assert!(matches!(found, Err(TokenError::Malformed | TokenError::Altered)));
        }
    }

    #[test]
    fn any_names_come_back(device in ".{1,30}", operator in ".{0,30}", nonce: [u8; 16], subject: [u8; 32], life in 1..=90_i64) {
        let key = key();
        let claims = Claims {
            subject: SubjectHash::from_bytes(subject),
            device: device.clone(),
            operator,
            nonce,
            expires: at(life),
            ..some_claims()
        };
        let issued = issue(&key, &claims);
        prop_assume!(issued.is_ok());
        let token = issued.expect("was issued");
        prop_assert_eq!(check(&token, &key.public(), &device, at(0)), Ok(claims));
    }
}

#[test]
fn a_verdict_of_a_human_is_said_beside_the_decision_and_never_as_a_match() {
    let key = key();
    for (verdict, said) in [
        (ReviewVerdict::Approved, r#""review":"approved""#),
        (ReviewVerdict::Rejected, r#""review":"rejected""#),
    ] {
        let mut claims = some_claims();
        claims.review = Some(verdict);
        for decision in Decision::ALL {
            claims.decision = decision;
            let issued = issue(&key, &claims);
            assert_eq!(issued.is_ok(), decision == Decision::ManualReview);
        }
        claims.decision = Decision::ManualReview;
        let token = issue(&key, &claims).expect("issued");
        assert!(payload_of(&token).contains(said));
        let found = check(&token, &key.public(), "laptop-17", at(1));
        assert_eq!(found, Ok(claims));
        for (from, to) in [("MANUAL_REVIEW", "MATCH"), (said, r#""review":"maybe""#)] {
            let payload = payload_of(&token).replacen(from, to, 1);
            let forged = signed(&key, &payload);
            let found = check(&forged, &key.public(), "laptop-17", at(1));
            assert_eq!(found, Err(TokenError::Malformed), "{payload}");
        }
    }
    // Without a human nothing is said of one: tokens are as they were.
    let token = issue(&key, &some_claims()).expect("issued");
    assert!(!payload_of(&token).contains("review"));
}
