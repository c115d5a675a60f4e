// feedback.v1 as a C++ programmer would serve it with gRPC: Debian's library, the synchronous
// service with its own default threads, and a handler that keeps the feedback in memory.
//
// Left out on purpose, in gRPC's favour: checks of the fields, hooks, repeated request ids,
// counters, and every method but AddFeedback.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "feedback/v1/feedback.grpc.pb.h"

namespace {

class Service final : public feedback::v1::FeedbackService::Service {
public:
    grpc::Status AddFeedback(grpc::ServerContext *, const feedback::v1::AddFeedbackRequest *request,
                             feedback::v1::AddFeedbackResponse *response) override {
        auto now = std::chrono::system_clock::now().time_since_epoch();
        int64_t milliseconds =
            std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
        feedback::v1::Feedback *feedback = response->mutable_feedback();
        feedback->set_session_id(request->session_id());
        feedback->set_rating(request->rating());
        feedback->set_comment(request->comment());
        feedback->mutable_created_at()->set_seconds(milliseconds / 1000);
        feedback->mutable_created_at()->set_nanos(int32_t(milliseconds % 1000 * 1'000'000));
        *feedback->mutable_updated_at() = feedback->created_at();
        feedback->set_message_id(request->message_id());
        feedback->set_agent_id(request->agent_id());
        if (request->has_author()) *feedback->mutable_author() = request->author();
        *feedback->mutable_tags() = request->tags();
        *feedback->mutable_attributes() = request->attributes();

        std::lock_guard lock(mutex_);
        feedback->set_feedback_id(newID(uint64_t(milliseconds)));
        sessions_[request->session_id()].push_back(*feedback);
        return grpc::Status::OK;
    }

private:
    // A UUID of version 7.
    std::string newID(uint64_t milliseconds) {
        uint64_t high = milliseconds << 16 | 0x7000 | (random_() & 0xfff);
        uint64_t low = uint64_t(2) << 62 | random_() >> 2;
        static const char digits[] = "0123456789abcdef";
        std::string text(36, '-');
        int digit = 0;
        for (int index = 0; index < 36; index++) {
            if (index == 8 || index == 13 || index == 18 || index == 23) continue;
            uint64_t word = digit < 16 ? high : low;
            text[size_t(index)] = digits[word >> (60 - digit % 16 * 4) & 0xf];
            digit++;
        }
        return text;
    }

    std::mutex mutex_;
    std::mt19937_64 random_{std::random_device{}()};
    std::unordered_map<std::string, std::vector<feedback::v1::Feedback>> sessions_;
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3 || std::strcmp(argv[1], "--socket") != 0) {
        std::fprintf(stderr, "usage: grpc-cpp-server --socket PATH\n");
        return 64;
    }
    // Before the first thread, so that all of them leave the signal to this one.
    sigset_t termination;
    sigemptyset(&termination);
    sigaddset(&termination, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &termination, nullptr);

    Service service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string("unix:") + argv[2], grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server) {
        std::fprintf(stderr, "grpc-cpp-server: cannot listen at %s\n", argv[2]);
        return 1;
    }
    std::puts("ready");
    std::fflush(stdout);
    int signal = 0;
    sigwait(&termination, &signal);
    server->Shutdown(std::chrono::system_clock::now());
}
