use proptest::prelude::*;

use super::*;

/// A made-up number: area 31 74 09, born 21 December 1990, serial 0001.
const MAN: &str = "3174092112900001";
/// The same day, a woman.
const WOMAN: &str = "3174096112900001";

fn date(year: i32, month: u8, day: u8) -> Date {
    let month = Month::try_from(month).expect("a month");
    Date::from_calendar_date(year, month, day).expect("a date")
}

fn with_birth_date(ddmmyy: &str) -> String {
    format!("317409{ddmmyy}0001")
}

fn warnings(text: &str, biodata: Biodata) -> Vec<NikWarning> {
    let nik = Nik::parse(text).expect("a NIK");
    nik.warnings(&biodata, date(2026, 11, 22))
}

#[test]
fn only_sixteen_ascii_digits_are_a_nik() {
    for text in [
        "",
        "317409211290001",
        "31740921129000011",
        "3174 0921 1290 00",
        "31740921129000O1",
        " 3174092112900001",
        "-174092112900001",
        "３１７４０９",
        "٣١٧٤٠٩٢١",
    ] {
        assert_eq!(Nik::parse(text), Err(NikError::NotSixteenDigits), "{text}");
    }
    assert!(Nik::parse(MAN).is_ok() && Nik::parse(WOMAN).is_ok());
}

#[test]
fn days_months_dates_and_serials_have_their_ranges() {
    let cases = [
        ("000190", Err(NikError::Day)),
        ("320190", Err(NikError::Day)),
        ("400190", Err(NikError::Day)),
        ("720190", Err(NikError::Day)),
        ("990190", Err(NikError::Day)),
        ("010190", Ok(())),
        ("310190", Ok(())),
        ("410190", Ok(())),
        ("710190", Ok(())),
        ("010090", Err(NikError::Month)),
        ("011390", Err(NikError::Month)),
        ("310490", Err(NikError::Date)),
        ("710490", Err(NikError::Date)),
        ("300200", Err(NikError::Date)),
        ("290290", Err(NikError::Date)),
        ("290288", Ok(())),
        // 1900 was no leap year, 2000 was: the NIK does not say which it means.
        ("290200", Ok(())),
        ("690200", Ok(())),
    ];
    for (ddmmyy, expected) in cases {
        let parsed = Nik::parse(&with_birth_date(ddmmyy)).map(drop);
        assert_eq!(parsed, expected, "{ddmmyy}");
    }
    assert_eq!(Nik::parse("3174092112900000"), Err(NikError::Serial));
    assert!(Nik::parse("3174092112900100").is_ok());
}

#[test]
fn an_unknown_area_is_a_warning() {
    for area in ["990101", "000101", "310001", "317400", "200101"] {
        let found = warnings(&format!("{area}2112900001"), Biodata::default());
        assert_eq!(found, [NikWarning::UnknownRegion], "{area}");
    }
    assert_eq!(warnings(MAN, Biodata::default()), []);
}

#[test]
fn other_biodata_are_warnings() {
    let biodata = |year, sex| Biodata {
        born_on: Some(date(year, 12, 21)),
        sex: Some(sex),
    };
    assert_eq!(warnings(MAN, biodata(1990, Sex::Male)), []);
    assert_eq!(warnings(WOMAN, biodata(1990, Sex::Female)), []);
    let found = warnings(WOMAN, biodata(1991, Sex::Male));
    assert_eq!(
        found,
        [NikWarning::BirthDateDiffers, NikWarning::SexDiffers]
    );
}

#[test]
fn people_below_seventeen_are_a_warning() {
    let nobody = Biodata::default();
    assert_eq!(warnings(&with_birth_date("221109"), nobody), []);
    let found = warnings(&with_birth_date("231109"), nobody);
    assert_eq!(found, [NikWarning::BelowSeventeen]);
    // Not yet born in this century: born in the last one.
    assert_eq!(warnings(&with_birth_date("231126"), nobody), []);
    // The biodata know the century.
    let biodata = Biodata {
        born_on: Some(date(1909, 11, 23)),
        sex: None,
    };
    assert_eq!(warnings(&with_birth_date("231109"), biodata), []);
}

#[test]
fn nothing_prints_the_digits() {
    let nik = Nik::parse(MAN).expect("a NIK");
    assert_eq!(format!("{nik:?}"), "Nik(…)");
    let biodata = Biodata {
        born_on: Some(date(1990, 12, 21)),
        sex: Some(Sex::Female),
    };
    assert_eq!(format!("{biodata:?}"), "Biodata(…)");
    for wrong in ["3174092112900000", "3174099912900001", "3174090113900001"] {
        let error = Nik::parse(wrong).expect_err("is none");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("3174"), "{said}");
    }
}

proptest! {
    /// No text panics, and what is accepted is a date of one of the two centuries.
    #[test]
    fn what_is_accepted_has_a_date(text in "[0-9]{16}|.{0,20}", year in 1900..2100_i32) {
        let Ok(nik) = Nik::parse(&text) else { return Ok(()) };
        let today = date(year, 6, 15);
        drop(nik.warnings(&Biodata::default(), today));
        let dates = [1900, 2000].map(|century| {
            let month = Month::try_from(nik.pair(4)).expect("a month");
            Date::from_calendar_date(century + i32::from(nik.pair(5)), month, nik.day())
        });
        prop_assert!(dates.iter().any(Result::is_ok));
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
        prop_assert_eq!(nik.digits().as_slice(), text.as_bytes());
    }

    #[test]
    fn every_day_of_the_century_is_accepted(
        days in 0..36_524_i64,
        is_woman: bool,
        serial in 1..10_000_u16,
    ) {
        let born_on = date(1950, 1, 1) + time::Duration::days(days);
        let day = born_on.day() + if is_woman { 40 } else { 0 };
        let (month, year) = (u8::from(born_on.month()), born_on.year() % 100);
        let text = format!("317409{day:02}{month:02}{year:02}{serial:04}");
        let sex = Some(if is_woman { Sex::Female } else { Sex::Male });
        let biodata = Biodata { born_on: Some(born_on), sex };
        prop_assert_eq!(Nik::parse(&text).map(|nik| nik.warnings(&biodata, date(2080, 1, 1))), Ok(vec![]));
    }
}
