// A closed-loop load of AddFeedback by Debian's C++ gRPC library, for any server of feedback.v1 on a
// Unix socket: every call in flight is followed by the next one as soon as it is answered.
//
// Each connection is a channel that shares nothing with the others. One call in flight goes through
// the synchronous stub, the library's shortest way; more of them through completion queues, one for
// each thread.
//
// Left out on purpose: deadlines, metadata, and a look at the answer beyond its status and id.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../load_report.h"
#include "../load_request.h"
#include "feedback/v1/feedback.grpc.pb.h"

namespace {

using feedback::v1::AddFeedbackRequest;
using feedback::v1::AddFeedbackResponse;
using feedback::v1::FeedbackService;
using Stub = std::unique_ptr<FeedbackService::Stub>;

constexpr uint64_t kSessions = 1000;

// The end of a run: a time, or a number of started calls.
struct Limits {
    uint64_t end = UINT64_MAX;
    uint64_t calls = UINT64_MAX;
};

struct Counts {
    latencies answered{};
    uint64_t errors = 0;
};

// Fills in the request of the next call: another session each time, a request id of its own.
void prepare(AddFeedbackRequest &request) {
    static const uint64_t first = first_request_number();
    static std::atomic<uint64_t> calls{0};
    uint64_t call = calls.fetch_add(1, std::memory_order_relaxed);
    char text[REQUEST_ID_BYTES + 1];
    put_session_id(text, call, kSessions);
    request.set_session_id(text);
    put_request_id(text, first + call);
    request.set_request_id(text);
    request.set_rating(feedback::v1::RATING_UP);
    request.set_comment(load_comment);
}

void count(Counts &counts, const grpc::Status &status, const AddFeedbackResponse &response,
           uint64_t nanoseconds) {
    if (status.ok() && !response.feedback().feedback_id().empty()) {
        record_latency(&counts.answered, nanoseconds, 1);
        return;
    }
    if (counts.errors++ == 0) {
        std::fprintf(stderr, "grpc-cpp-client: %d %s\n", int(status.error_code()),
                     status.error_message().c_str());
    }
}

void runSynchronous(FeedbackService::Stub &stub, Limits limits, Counts &counts) {
    AddFeedbackRequest request;
    AddFeedbackResponse response;
    uint64_t start = now_nanoseconds();
    for (uint64_t call = 0; call < limits.calls && start < limits.end; call++) {
        grpc::ClientContext context;
        prepare(request);
        grpc::Status status = stub.AddFeedback(&context, request, &response);
        uint64_t end = now_nanoseconds();
        count(counts, status, response, end - start);
        start = end;
    }
}

struct Call {
    FeedbackService::Stub *stub;
    AddFeedbackRequest request;
    AddFeedbackResponse response;
    // A context serves one call only.
    std::optional<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<AddFeedbackResponse>> reader;
    grpc::Status status;
    uint64_t start;

    void begin(grpc::CompletionQueue &queue) {
        prepare(request);
        context.emplace();
        start = now_nanoseconds();
        reader = stub->AsyncAddFeedback(&*context, request, &queue);
        reader->Finish(&response, &status, this);
    }
};

void runAsynchronous(const std::vector<FeedbackService::Stub *> &stubs, int inFlight, Limits limits,
                     Counts &counts) {
    grpc::CompletionQueue queue;
    std::vector<Call> calls(stubs.size() * size_t(inFlight));
    uint64_t begun = 0, underWay = 0;
    for (size_t index = 0; index < calls.size() && begun < limits.calls; index++) {
        calls[index].stub = stubs[index % stubs.size()];
        calls[index].begin(queue);
        begun++, underWay++;
    }
    void *tag;
    bool ok;
    while (underWay > 0 && queue.Next(&tag, &ok)) {
        Call &call = *static_cast<Call *>(tag);
        uint64_t now = now_nanoseconds();
        count(counts, call.status, call.response, now - call.start);
        if (now < limits.end && begun < limits.calls) {
            call.begin(queue);
            begun++;
        } else {
            underWay--;
        }
    }
}

// Returns when all started calls have been answered.
void run(const std::vector<Stub> &stubs, int inFlight, int threadCount, Limits limits,
         Counts &counts) {
    if (stubs.size() == 1 && inFlight == 1) return runSynchronous(*stubs[0], limits, counts);
    std::vector<std::unique_ptr<Counts>> parts;
    std::vector<std::thread> threads;
    for (int index = 0; index < threadCount; index++) {
        std::vector<FeedbackService::Stub *> own;
        for (size_t stub = size_t(index); stub < stubs.size(); stub += size_t(threadCount)) {
            own.push_back(stubs[stub].get());
        }
        Limits share = limits;
        if (limits.calls != UINT64_MAX) {
            share.calls = limits.calls / uint64_t(threadCount) +
                          (uint64_t(index) < limits.calls % uint64_t(threadCount) ? 1 : 0);
        }
        Counts *part = parts.emplace_back(std::make_unique<Counts>()).get();
        threads.emplace_back([=] { runAsynchronous(own, inFlight, share, *part); });
    }
    for (std::thread &thread : threads) thread.join();
    for (const auto &part : parts) {
        add_latencies(&counts.answered, &part->answered);
        counts.errors += part->errors;
    }
}

std::vector<Stub> connect(const std::string &path, int connections) {
    grpc::ChannelArguments arguments;
    // Otherwise all channels to one address would share one connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    std::vector<Stub> stubs;
    for (int index = 0; index < connections; index++) {
        auto channel = grpc::CreateCustomChannel("unix:" + path,
                                                 grpc::InsecureChannelCredentials(), arguments);
        auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(5);
        if (!channel->WaitForConnected(deadline)) {
            std::fprintf(stderr, "grpc-cpp-client: cannot connect to %s\n", path.c_str());
            std::exit(1);
        }
        stubs.push_back(FeedbackService::NewStub(channel));
    }
    return stubs;
}

}  // namespace

int main(int argc, char **argv) {
    // --calls N makes N calls, instead of calling for --duration seconds.
    option options[] = {{"--socket", nullptr}, {"--connections", "1"}, {"--in-flight", "1"},
                        {"--warmup", "0.5"},   {"--duration", "3"},    {"--calls", "0"},
                        {"--threads", "1"},    {"--json", nullptr}};
    read_options(argc, argv, options, 8);
    int connections = std::max(1, std::atoi(options[1].value));
    int inFlight = std::max(1, std::atoi(options[2].value));
    double warmup = std::atof(options[3].value), duration = std::atof(options[4].value);
    uint64_t calls = std::strtoull(options[5].value, nullptr, 10);
    int threads = std::clamp(std::atoi(options[6].value), 1, connections);

    std::vector<Stub> stubs = connect(options[0].value, connections);
    if (warmup > 0) {
        auto ignored = std::make_unique<Counts>();
        run(stubs, inFlight, threads, {.end = now_nanoseconds() + uint64_t(warmup * 1e9)},
            *ignored);
    }
    auto counts = std::make_unique<Counts>();
    uint64_t start = now_nanoseconds();
    Limits limits;
    if (calls > 0) limits.calls = calls;
    else limits.end = start + uint64_t(duration * 1e9);
    run(stubs, inFlight, threads, limits, *counts);
    double seconds = double(now_nanoseconds() - start) / 1e9;
    load_report report{&counts->answered, counts->errors, seconds};
    write_report(options[7].value, &report, "");
    return counts->errors == 0 ? 0 : 1;
}
