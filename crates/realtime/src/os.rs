//! What the standard library does not say to the operating system.
#![allow(unsafe_code, reason = "calls of libc that take plain numbers")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Makes the calling thread give way to the process's others by so much more, whatever the priority that the process was started with.
pub(crate) fn lower_thread_priority(nice: i32) -> io::Result<()> {
    const THIS_THREAD: libc::id_t = 0;
    // SAFETY: takes numbers and touches no memory of ours.
    let ordinary = unsafe { libc::getpriority(libc::PRIO_PROCESS, THIS_THREAD) };
    // SAFETY: as above.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, THIS_THREAD, ordinary + nice) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Fixes the size of a socket's send buffer in the kernel.
pub(crate) fn set_send_buffer_bytes(socket: BorrowedFd<'_>, bytes: u32) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    // SAFETY: the descriptor is open as long as it is borrowed, and the pointer is to an integer of the length that is named.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDBUF,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
