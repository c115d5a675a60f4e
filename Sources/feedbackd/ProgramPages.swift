internal import CLinux
internal import Glibc

/// The memory that the files of the program and of its libraries take: code, constants, and what
/// the linker reads.
enum ProgramPages {
    /// Gives back what only starting needed, which is most of it: about 15 MiB.
    ///
    /// The pages are only taken from the process. Those that are needed again come back from the
    /// kernel's cache of the files, 64 KiB at a time.
    static func release() {
        var object = first_loaded_object()
        while let loaded = object?.pointee {
            release(ofObjectAt: UInt(loaded.l_addr))
            object = loaded.l_next
        }
    }

    private static func release(ofObjectAt base: UInt) {
        guard let start = UnsafeRawPointer(bitPattern: base) else { return }
        let file = start.load(as: Elf64_Ehdr.self)
        let headers = UnsafeBufferPointer(
            start: (start + Int(file.e_phoff)).assumingMemoryBound(to: Elf64_Phdr.self),
            count: Int(file.e_phnum)
        )
        let pageBytes = UInt(getpagesize())
        for header in headers where header.p_type == PT_LOAD {
            // What was ever written to, by the linker too, would be lost.
            guard header.p_flags & UInt32(PF_W) == 0 else { continue }
            let begin = (base + UInt(header.p_vaddr) + pageBytes - 1) & ~(pageBytes - 1)
            let end = (base + UInt(header.p_vaddr + header.p_memsz)) & ~(pageBytes - 1)
            guard begin < end else { continue }
            madvise(UnsafeMutableRawPointer(bitPattern: begin), Int(end - begin), MADV_DONTNEED)
        }
    }
}
