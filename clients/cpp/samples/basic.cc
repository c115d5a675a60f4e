// Stores feedback on two answers, lists it, measures it, and keeps which variant of a prompt the
// session saw.
//
//   basic SOCKET

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "feedback/v1/feedback.grpc.pb.h"
#include "feedback/v1/session.grpc.pb.h"

namespace {

// gRPC's own default is to wait forever.
void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
}

void ExitUnlessOk(const grpc::Status& status) {
  if (!status.ok()) {
    std::cerr << status.error_message() << std::endl;
    std::exit(1);
  }
}

void Add(feedback::v1::FeedbackService::Stub* stub,
         const feedback::v1::AddFeedbackRequest& request) {
  grpc::ClientContext context;
  SetDeadline(&context);
  feedback::v1::AddFeedbackResponse reply;
  ExitUnlessOk(stub->AddFeedback(&context, request, &reply));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: basic SOCKET" << std::endl;
    return 64;
  }
  // One channel for the whole program: all threads may call on it.
  const auto channel =
      grpc::CreateChannel(std::string("unix:") + argv[1], grpc::InsecureChannelCredentials());
  const auto feedback = feedback::v1::FeedbackService::NewStub(channel);
  const auto session = feedback::v1::SessionService::NewStub(channel);

  feedback::v1::AddFeedbackRequest helpful;
  helpful.set_session_id("user-123");
  helpful.set_rating(feedback::v1::RATING_UP);
  helpful.set_comment("Very helpful response!");
  // With a request_id, a call that ended with UNAVAILABLE or DEADLINE_EXCEEDED can be repeated as
  // it is: nothing is stored twice. Programs take a random one for each feedback.
  helpful.set_request_id("answer-1-by-anna");
  Add(feedback.get(), helpful);

  feedback::v1::AddFeedbackRequest slow;
  slow.set_session_id("user-123");
  slow.set_rating(feedback::v1::RATING_DOWN);
  slow.set_comment("Too slow 🐌");
  slow.set_request_id("answer-2-by-anna");
  slow.set_message_id("message-2");
  slow.add_tags("latency");
  Add(feedback.get(), slow);

  feedback::v1::ListFeedbacksRequest list;
  list.set_session_id("user-123");
  do {
    grpc::ClientContext context;
    SetDeadline(&context);
    feedback::v1::ListFeedbacksResponse page;
    ExitUnlessOk(feedback->ListFeedbacks(&context, list, &page));
    for (const auto& one : page.feedbacks()) {
      std::cout << feedback::v1::Rating_Name(one.rating()) << ": " << one.comment() << std::endl;
    }
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());

  {
    grpc::ClientContext context;
    SetDeadline(&context);
    feedback::v1::GetMetricsRequest request;
    request.set_session_id("user-123");
    feedback::v1::GetMetricsResponse reply;
    ExitUnlessOk(feedback->GetMetrics(&context, request, &reply));
    const auto& metrics = reply.metrics();
    std::cout << metrics.positive() << " of " << metrics.total() << " are up, "
              << metrics.satisfaction_rate() << " %" << std::endl;
  }
  {
    grpc::ClientContext context;
    SetDeadline(&context);
    feedback::v1::UpdateMetadataRequest request;
    request.set_session_id("user-123");
    (*request.mutable_metadata()->mutable_fields())["variant"].set_string_value("B");
    feedback::v1::UpdateMetadataResponse reply;
    ExitUnlessOk(session->UpdateMetadata(&context, request, &reply));
    std::cout << "variant " << reply.metadata().fields().at("variant").string_value() << std::endl;
  }
}
