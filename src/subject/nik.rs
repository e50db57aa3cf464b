//! The NIK: 16 digits `PP RR DD ddmmyy ssss` (province, regency or city, district, birth date,
//! serial). For life, never corrected, without a check digit.

use time::{Date, Month};
use zeroize::Zeroizing;

/// Provinces by the registry's code: 38 of them, and new ones come when areas split.
const PROVINCES: [std::ops::RangeInclusive<u8>; 9] = [
    11..=19,
    21..=21,
    31..=36,
    51..=53,
    61..=65,
    71..=76,
    81..=82,
    91..=96,
    // A province that left; its people kept their numbers.
    54..=54,
];

/// The day of birth of women is written with 40 added.
const DAY_OFFSET_OF_WOMEN: u8 = 40;

/// The age from which people hold a KTP-el, years.
const AGE_MIN_YEARS: i32 = 17;

/// A NIK whose digits may be one. Personal data: overwritten when dropped, and never readable by
/// `Debug`; there is no `Display` and no serialisation.
#[derive(Clone, PartialEq, Eq)]
// On the heap, so that moving it leaves no copy behind.
pub struct Nik(Box<Zeroizing<[u8; 16]>>);

impl std::fmt::Debug for Nik {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Nik(…)")
    }
}

/// Digits that cannot be a NIK. Carries none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NikError {
    /// Not 16 ASCII digits.
    #[error("a NIK has exactly 16 digits and nothing else: check the 16 digits")]
    NotSixteenDigits,
    /// Digits 7 and 8.
    #[error("digits 7 and 8 of a NIK are a day: 01 to 31 for men, 41 to 71 for women")]
    Day,
    /// Digits 9 and 10.
    #[error("digits 9 and 10 of a NIK are a month: 01 to 12")]
    Month,
    /// Digits 7 to 12.
    #[error("digits 7 to 12 of a NIK are a birth date, and the calendar does not have this one")]
    Date,
    /// Digits 13 to 16.
    #[error("digits 13 to 16 of a NIK are a serial number: 0001 to 9999")]
    Serial,
}

/// What is odd about a NIK that may still be right: never a reason to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NikWarning {
    /// The codes of the area are not known; areas split.
    UnknownRegion,
    /// The birth date in the biodata is another one.
    BirthDateDiffers,
    /// The sex in the biodata is another one.
    SexDiffers,
    /// Below the age at which people hold a KTP-el.
    BelowSeventeen,
}

impl NikWarning {
    /// Its name on the wire and in the trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownRegion => "UNKNOWN_REGION",
            Self::BirthDateDiffers => "BIRTH_DATE_DIFFERS",
            Self::SexDiffers => "SEX_DIFFERS",
            Self::BelowSeventeen => "BELOW_SEVENTEEN",
        }
    }
}

/// As the registry records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// The day of birth in the NIK is 41 to 71.
    Female,
    /// The day of birth in the NIK is 1 to 31.
    Male,
}

/// What the registry says about the subject; absent means not known. Its `Debug` shows nothing.
#[derive(Clone, Copy, Default)]
pub struct Biodata {
    /// The day of birth.
    pub born_on: Option<Date>,
    /// The sex.
    pub sex: Option<Sex>,
}

impl std::fmt::Debug for Biodata {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Biodata(…)")
    }
}

impl Nik {
    /// Reads the 16 digits as they were sent: no spaces, dots or other scripts' digits.
    ///
    /// # Errors
    /// The first rule that the text breaks, from left to right.
    pub fn parse(text: &str) -> Result<Self, NikError> {
        let mut nik = Self(Box::new(Zeroizing::new([0; 16])));
        if text.len() != nik.0.len() {
            return Err(NikError::NotSixteenDigits);
        }
        nik.0.copy_from_slice(text.as_bytes());
        if !nik.0.iter().all(u8::is_ascii_digit) {
            return Err(NikError::NotSixteenDigits);
        }
        if !(1..=31).contains(&nik.day()) {
            return Err(NikError::Day);
        }
        let month = Month::try_from(nik.pair(4)).map_err(|_| NikError::Month)?;
        // The century is not in the NIK, and 1900 was no leap year: 2000 allows every date that
        // one of the two allows, year 00 included.
        let year = 2000 + i32::from(nik.pair(5));
        Date::from_calendar_date(year, month, nik.day()).map_err(|_| NikError::Date)?;
        if (nik.pair(6), nik.pair(7)) == (0, 0) {
            return Err(NikError::Serial);
        }
        Ok(nik)
    }

    /// The digits, for the keyed hash only.
    pub(crate) fn digits(&self) -> &[u8; 16] {
        &self.0
    }

    /// What is odd about it, given what the registry says and today's date.
    #[must_use]
    pub fn warnings(&self, biodata: &Biodata, today: Date) -> Vec<NikWarning> {
        let born_on = biodata.born_on.or_else(|| self.youngest_birth_date(today));
        let found = [
            (!self.has_known_region(), NikWarning::UnknownRegion),
            (
                biodata.born_on.is_some_and(|date| !self.is_born_on(date)),
                NikWarning::BirthDateDiffers,
            ),
            (
                biodata.sex.is_some_and(|sex| sex != self.sex()),
                NikWarning::SexDiffers,
            ),
            (
                born_on.is_some_and(|date| years_between(date, today) < AGE_MIN_YEARS),
                NikWarning::BelowSeventeen,
            ),
        ];
        let found = found.into_iter().filter(|(is_found, _)| *is_found);
        found.map(|(_, warning)| warning).collect()
    }

    /// The number of two digits at `place`, 0 to 7: the parsed digits make 0 to 99.
    fn pair(&self, place: usize) -> u8 {
        let (pairs, _) = self.0.as_chunks::<2>();
        pairs.get(place).map_or(0, |[tens, ones]| {
            tens.wrapping_sub(b'0')
                .wrapping_mul(10)
                .wrapping_add(ones.wrapping_sub(b'0'))
        })
    }

    /// The sex as the day tells it.
    fn sex(&self) -> Sex {
        if self.pair(3) > DAY_OFFSET_OF_WOMEN {
            Sex::Female
        } else {
            Sex::Male
        }
    }

    fn day(&self) -> u8 {
        match self.sex() {
            Sex::Female => self.pair(3) - DAY_OFFSET_OF_WOMEN,
            Sex::Male => self.pair(3),
        }
    }

    fn has_known_region(&self) -> bool {
        let province = self.pair(0);
        let is_known = PROVINCES.iter().any(|codes| codes.contains(&province));
        is_known && self.pair(1) != 0 && self.pair(2) != 0
    }

    fn is_born_on(&self, date: Date) -> bool {
        let year = date.year().rem_euclid(100);
        let month = u8::from(date.month());
        (date.day(), month, year) == (self.day(), self.pair(4), i32::from(self.pair(5)))
    }

    /// The last day before tomorrow that the NIK can mean: its year has two digits.
    fn youngest_birth_date(&self, today: Date) -> Option<Date> {
        let month = Month::try_from(self.pair(4)).ok()?;
        let this_century = today.year() - today.year().rem_euclid(100);
        let year = this_century + i32::from(self.pair(5));
        let dates = [year, year - 100].map(|y| Date::from_calendar_date(y, month, self.day()));
        dates.into_iter().flatten().find(|date| *date <= today)
    }
}

/// Whole years from `start` to `end`.
fn years_between(start: Date, end: Date) -> i32 {
    let birthday_is_past =
        (u8::from(end.month()), end.day()) >= (u8::from(start.month()), start.day());
    end.year() - start.year() - i32::from(!birthday_is_past)
}

#[cfg(test)]
mod tests;
