//! Where both rates are the same.

/// The equal error rate, and the lowest threshold at which the false non-match rate is not below
/// the false match rate. `rates` gives both, false matches first, at a threshold: the first never
/// rises with it, the second never falls.
///
/// Both are steps, so they may jump over each other between two neighbouring thresholds. Then the
/// rate lies where they are the same on the straight line between the two points.
pub fn equal_error(rates: impl Fn(f32) -> (f64, f64)) -> (f64, f32) {
    // Similarities lie between −1 and 1, but for rounding.
    let (mut low, mut high) = (-2.0_f32, 2.0_f32);
    let has_crossed = |(fmr, fnmr): (f64, f64)| fnmr >= fmr;
    if has_crossed(rates(low)) {
        // Everything genuine was lost.
        return (1.0, -1.0);
    }
    // Halving ends when no number is left between the two.
    loop {
        let middle = f32::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if has_crossed(rates(middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    (crossing(rates(low), rates(high)), high)
}

/// Where the line from the first point to the second has both rates the same.
fn crossing(before: (f64, f64), after: (f64, f64)) -> f64 {
    let excess = before.0 - before.1;
    let lack = after.1 - after.0;
    let way = excess / (excess + lack);
    before.0 + way * (after.0 - before.0)
}

#[cfg(test)]
mod tests;
