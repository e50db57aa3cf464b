//! What a program can ask the callgrind it runs under: start counting, stop, write the counts.
//!
//! `crabgrind` wraps these requests, but its bindgen loads libclang at run time, and the `opencv`
//! crate then cannot be built in the same tree. Without the requests all of the set-up would be
//! counted along, which takes minutes.

use std::ffi::CStr;

/// `VG_USERREQ_TOOL_BASE('C', 'T')`: the requests of callgrind are numbered from here.
const BASE: usize = (b'C' as usize) << 24 | (b'T' as usize) << 16;
const ZERO_STATS: usize = BASE + 1;
const DUMP_STATS_AT: usize = BASE + 3;
const START_INSTRUMENTATION: usize = BASE + 4;
const STOP_INSTRUMENTATION: usize = BASE + 5;

/// Starts to count, from zero.
pub fn start() {
    request(START_INSTRUMENTATION, 0);
    request(ZERO_STATS, 0);
}

/// Writes what was counted since, with this reason, and stops.
pub fn dump(reason: &CStr) {
    request(DUMP_STATS_AT, reason.as_ptr() as usize);
    request(STOP_INSTRUMENTATION, 0);
}

/// `VALGRIND_DO_CLIENT_REQUEST` of `valgrind.h`: instructions that do nothing on a processor, and
/// that valgrind takes for a request.
#[expect(
    unsafe_code,
    reason = "the rotations add up to whole turns and the last instruction copies a register to \
              itself, so nothing changes on a processor; under valgrind the six words at \
              `arguments` are read, which live until the request is answered, and one register is \
              written, which is named as an output"
)]
fn request(number: usize, argument: usize) {
    let arguments: [usize; 6] = [number, argument, 0, 0, 0, 0];
    #[cfg(target_arch = "x86_64")]
    // SAFETY: see above.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") 0_usize => _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: see above.
    unsafe {
        std::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            in("x4") arguments.as_ptr(),
            inout("x3") 0_usize => _,
        );
    }
}
