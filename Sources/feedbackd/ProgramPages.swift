internal import CLinux
internal import Glibc

/// The memory of the program's file and its libraries' files: code, constants, and the tables that
/// the dynamic linker reads.
enum ProgramPages {
    /// Releases the pages that only the start needed, which are most of them: about 15 MiB.
    ///
    /// The pages are only unmapped from the process. Those that are needed again come back from the
    /// kernel's page cache, 64 KiB at a time.
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
            // Pages that were written to, by the linker too, would lose their content.
            guard header.p_flags & UInt32(PF_W) == 0 else { continue }
            let begin = (base + UInt(header.p_vaddr) + pageBytes - 1) & ~(pageBytes - 1)
            let end = (base + UInt(header.p_vaddr + header.p_memsz)) & ~(pageBytes - 1)
            guard begin < end else { continue }
            madvise(UnsafeMutableRawPointer(bitPattern: begin), Int(end - begin), MADV_DONTNEED)
        }
    }
}
