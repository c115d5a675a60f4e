import Foundation
import Testing

/// Holds what docs/ARCHITECTURE.md says of the repository, and that documents which are cited exist.
@Suite("the layout of the repository")
struct LayoutTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// The files of more than 500 lines, each with its reason.
    private static let longFiles = [
        "Proto/vectors/make.py": "the golden vectors one after the other",
        "clients/go/client_test.go": "the tests of the whole Go client, in its one package",
    ]

    /// Documents that are not in the repository: those of other projects, and the benchmark's report.
    private static let foreignDocuments: Set = [
        "PROTOCOL.md", "PROTOCOL-HTTP2.md", "interop-test-descriptions.md", "report.md",
    ]

    /// Returns the paths of the repository's files below a folder, generated ones and those that a
    /// build makes left out.
    private static func files(_ folder: String = "", _ extensions: Set<String>) -> [String] {
        let skipped: Set = [
            ".build", ".git", "target", "node_modules", "__pycache__", "CFeedbackProto",
            "CRPCProto",
            "CFeedbackDescriptors",
        ]
        let start = root.appending(path: folder)
        guard
            let all = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil)
        else { return [] }
        var files: [String] = []
        for case let file as URL in all {
            if skipped.contains(file.lastPathComponent) || file.lastPathComponent.hasPrefix(".venv")
            {
                all.skipDescendants()
            } else if extensions.contains(file.pathExtension) {
                files.append(String(file.path.dropFirst(root.path.count + 1)))
            }
        }
        return files.filter { !$0.contains("_pb2") && !$0.hasSuffix(".pb.go") }.sorted()
    }

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    private static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }

    // MARK: - Imports

    /// Returns the modules that each module may import, from the table in docs/ARCHITECTURE.md.
    private static func importTable() throws -> [(module: String, imports: Set<String>)] {
        let document = try text("docs/ARCHITECTURE.md")
        let section = try #require(document.components(separatedBy: "## Who may import whom").last)
        var table: [(module: String, imports: Set<String>)] = []
        for line in section.split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
            guard cells.count == 6 else { break }
            let module = try #require(names(cells[1]).first)
            var imports = names(cells[3])
            if cells[3].contains("all above") {
                for row in table { imports.formUnion(row.imports.union([row.module])) }
            }
            table.append((module, imports))
        }
        return table
    }

    /// Returns the names in backticks.
    private static func names(_ cell: Substring) -> Set<String> {
        Set(cell.matches(of: /`([\w-]+)`/).map { String($0.output.1) })
    }

    @Test func a_module_imports_what_the_table_says_and_nothing_else() throws {
        let table = try Self.importTable()
        let modules = try FileManager.default.contentsOfDirectory(
            atPath: Self.root.appending(path: "Sources").path
        )
        let swiftModules = modules.filter { !Self.files("Sources/\($0)", ["swift"]).isEmpty }
        #expect(Set(table.map(\.module)) == Set(swiftModules))
        for (module, allowed) in table {
            var imports: Set<String> = []
            for file in Self.files("Sources/\(module)", ["swift"]) {
                let lines = try Self.text(file).matches(of: /(?m)^[@\w ]*?\bimport (\w+)/)
                imports.formUnion(lines.map { String($0.output.1) })
            }
            let own = imports.intersection(modules)
            #expect(own.isSubset(of: allowed), "\(module): \(own.subtracting(allowed).sorted())")
            // What no file needs any more leaves the table. The server binds all, but need not name
            // what its parts import for themselves.
            if module != "FeedbackServer" {
                let unused = allowed.intersection(modules).subtracting(own)
                #expect(unused.isEmpty, "\(module) does not import \(unused.sorted())")
            }
        }
    }

    // MARK: - Files

    @Test func a_file_has_at_most_500_lines_or_a_reason() throws {
        for file in Self.files("", ["swift", "py", "go", "rs", "c", "h", "sh"]) {
            let count = try Self.text(file).split(
                separator: "\n",
                omittingEmptySubsequences: false
            ).count
            if Self.longFiles[file] == nil {
                #expect(count <= 501, "\(file) has \(count) lines")
            } else {
                #expect(count > 501, "\(file) needs its reason no more")
            }
        }
    }

    // MARK: - Documents

    @Test func every_document_that_is_cited_exists() throws {
        let extensions: Set = [
            "swift", "py", "go", "rs", "c", "h", "sh", "proto", "md", "toml", "service", "yaml",
        ]
        for file in Self.files("", extensions) {
            let folder = file.split(separator: "/").dropLast().joined(separator: "/")
            for match in try Self.text(file).matches(of: /[\w.\/-]*\w\.md\b/) {
                let cited = String(match.output)
                let name = cited.split(separator: "/").last.map(String.init) ?? ""
                if cited.contains("//") || Self.foreignDocuments.contains(name) { continue }
                let places = [cited, "docs/\(cited)", "\(folder)/\(cited)"]
                #expect(places.contains(where: Self.exists), "\(file) cites \(cited)")
            }
        }
    }

    @Test func every_link_between_documents_has_its_end() throws {
        for file in Self.files("", ["md"]) {
            let folder = URL(filePath: "/\(file)").deletingLastPathComponent()
            for match in try Self.text(file).matches(of: /\]\(([^)\s]+)\)/) {
                let link = match.output.1.prefix { $0 != "#" }
                if link.isEmpty || link.contains("://") || link.hasPrefix("mailto:") { continue }
                let path = folder.appending(path: String(link)).standardized.path.dropFirst()
                #expect(Self.exists(String(path)), "\(file) links to \(link)")
            }
        }
    }

    @Test func the_sources_that_the_architecture_names_exist() throws {
        for match in try Self.text("docs/ARCHITECTURE.md").matches(of: /`([\w.\/+-]+\/[\w.\/+-]*)`/)
        {
            let path = String(match.output.1)
            let places = [path, "Sources/\(path)"]
            #expect(places.contains(where: Self.exists), "\(path)")
        }
    }

    @Test func the_tests_that_prove_a_promise_exist() throws {
        let document = try Self.text("docs/RELIABILITY.md")
        let tests = try Self.files("Tests", ["swift"]).map { try Self.text($0) }
        var count = 0
        for match in document.matches(of: /`(\w+Tests)\.(\w+)`/) {
            let (suite, function) = (match.output.1, match.output.2)
            count += 1
            let exists = tests.contains {
                $0.contains("struct \(suite) ") && $0.contains("func \(function)(")
            }
            #expect(exists, "\(suite).\(function)")
        }
        #expect(count > 100)
        // Numbers never change their meanings, and none is left out.
        let rows = document.matches(of: #/(?m)^\| (\d+) \| /#).compactMap { Int($0.output.1) }
        #expect(rows == Array(1...rows.count))
    }
}
