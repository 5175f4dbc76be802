//! Counts the bytes that a process copies in user space: a library for `LD_PRELOAD`.
//!
//! `memcpy` and `memmove` of this library stand before those of the C library, count calls of [`COUNTED_FROM`] bytes
//! or more, and hand over. The counts are two 64-bit numbers, bytes and calls, in native order at the start of the
//! file that `ESKER_BENCH_COPIES` names, which is mapped into memory: whoever reads the file sees them at any moment,
//! also while the process works and after it was killed. Without the variable nothing is counted.
//!
//! What it cannot see: copies that the compiler made into instructions (mostly small ones of a size that it knows),
//! copies within the C library, loops that move bytes without calling a function, and what the kernel copies in
//! `read` and `write`.

#![allow(unsafe_code, reason = "it stands in for functions of the C library")]

use std::ffi::{CStr, c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Smaller copies move headers and names, not records.
pub const COUNTED_FROM: usize = 1024;

const COUNTS_BYTES: usize = 16;
const FILE: &CStr = c"ESKER_BENCH_COPIES";

type Copy = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void;

static MEMCPY: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
static MEMMOVE: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
/// Bytes and calls.
static COUNTS: AtomicPtr<[AtomicU64; 2]> = AtomicPtr::new(null_mut());

/// Run by the loader, before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    // SAFETY: names are C strings; nothing else runs yet.
    unsafe {
        MEMCPY.store(
            libc::dlsym(libc::RTLD_NEXT, c"memcpy".as_ptr()),
            Ordering::Release,
        );
        MEMMOVE.store(
            libc::dlsym(libc::RTLD_NEXT, c"memmove".as_ptr()),
            Ordering::Release,
        );
        let file = libc::getenv(FILE.as_ptr());
        if !file.is_null() {
            COUNTS.store(map(file).cast(), Ordering::Release);
        }
    }
}

/// The counts in a file; null if that fails.
///
/// # Safety
/// `file` is a C string.
unsafe fn map(file: *const libc::c_char) -> *mut c_void {
    // SAFETY: the mapping is as long as the file was made, and stays for ever.
    unsafe {
        let fd: c_int = libc::open(file, libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC, 0o644);
        if fd < 0 || libc::ftruncate(fd, COUNTS_BYTES as libc::off_t) != 0 {
            return null_mut();
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let counts = libc::mmap(null_mut(), COUNTS_BYTES, access, libc::MAP_SHARED, fd, 0);
        libc::close(fd);
        if counts == libc::MAP_FAILED {
            null_mut()
        } else {
            counts
        }
    }
}

fn count(bytes: usize) {
    let counts = COUNTS.load(Ordering::Acquire);
    if bytes < COUNTED_FROM || counts.is_null() {
        return;
    }
    // SAFETY: it points to two numbers, aligned to a page, for ever.
    let [sum, calls] = unsafe { &*counts };
    sum.fetch_add(bytes as u64, Ordering::Relaxed);
    calls.fetch_add(1, Ordering::Relaxed);
}

/// Byte by byte, in either direction, for what is copied before `begin` ran. Volatile, so that the compiler does not
/// make a call of `memcpy` of it.
///
/// # Safety
/// As `memmove`.
unsafe fn slowly(to: *mut c_void, from: *const c_void, bytes: usize) -> *mut c_void {
    let (target, source) = (to.cast::<u8>(), from.cast::<u8>());
    let forward = (target as usize) < (source as usize);
    for number in 0..bytes {
        let at = if forward { number } else { bytes - 1 - number };
        // SAFETY: both are valid for so many bytes.
        unsafe { target.add(at).write_volatile(source.add(at).read_volatile()) };
    }
    to
}

/// # Safety
/// As the C library's.
unsafe fn copy(real: &AtomicPtr<c_void>, to: *mut c_void, from: *const c_void, bytes: usize) -> *mut c_void {
    count(bytes);
    let real = real.load(Ordering::Acquire);
    // SAFETY: it is null or the C library's function of this very signature.
    unsafe {
        if real.is_null() {
            return slowly(to, from, bytes);
        }
        transmute::<*mut c_void, Copy>(real)(to, from, bytes)
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, bytes: usize) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe { copy(&MEMCPY, to, from, bytes) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut c_void, from: *const c_void, bytes: usize) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe { copy(&MEMMOVE, to, from, bytes) }
}

#[cfg(test)]
mod tests;
