internal import CLinux
internal import Glibc

/// The memory that the program's own file takes: code, constants, and what the linker reads.
enum ProgramPages {
    /// Gives back what only starting needed, which is most of it: about 15 MiB.
    ///
    /// The pages are only taken from the process. Those that are needed again come back from the
    /// kernel's cache of the file, 64 KiB at a time.
    static func letGo() {
        let address = getauxval(UInt(AT_PHDR))
        let count = Int(getauxval(UInt(AT_PHNUM)))
        guard let first = UnsafePointer<Elf64_Phdr>(bitPattern: address) else { return }
        let headers = UnsafeBufferPointer(start: first, count: count)
        // The table lies in the program: its distance from where the file wants it is everything's.
        guard let table = headers.first(where: { $0.p_type == PT_PHDR }) else { return }
        let base = address - UInt(table.p_vaddr)
        let pageBytes = UInt(getpagesize())
        for header in headers where header.p_type == PT_LOAD {
            // What was ever written to, by the linker too, would be lost.
            guard header.p_flags & UInt32(PF_W) == 0 else { continue }
            let start = (base + UInt(header.p_vaddr) + pageBytes - 1) & ~(pageBytes - 1)
            let end = (base + UInt(header.p_vaddr + header.p_memsz)) & ~(pageBytes - 1)
            guard start < end else { continue }
            madvise(UnsafeMutableRawPointer(bitPattern: start), Int(end - start), MADV_DONTNEED)
        }
    }
}
