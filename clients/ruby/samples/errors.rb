# Shows what calls fail with, and how a program tells the reasons apart.
#
#   ruby -I GENERATED errors.rb SOCKET

require 'grpc'
require 'google/protobuf/well_known_types'
require 'google/rpc/error_details_pb'
require 'feedback/v1/feedback_services_pb'
require 'feedback/v1/session_services_pb'

include Feedback::V1

# The fields at fault, with INVALID_ARGUMENT.
def violations(error)
  details = error.to_rpc_status&.details || []
  details.map { |detail| detail.unpack(Google::Rpc::BadRequest) }.compact
         .flat_map { |request| request.field_violations.to_a }
end

abort 'usage: errors.rb SOCKET' unless ARGV.size == 1
address = "unix:#{ARGV[0]}"
feedback = FeedbackService::Stub.new(address, :this_channel_is_insecure, timeout: 10)
session = SessionService::Stub.new(address, :this_channel_is_insecure, timeout: 10)

# A field that breaks its rule: nothing is stored, and the error names the field.
begin
  feedback.add_feedback(AddFeedbackRequest.new(session_id: 'user-123', comment: 'x' * 10_001))
rescue GRPC::InvalidArgument => e
  violations(e).each { |violation| puts "#{violation.field} #{violation.description}" }
end

# A session that nobody has written to.
begin
  session.get_metadata(GetMetadataRequest.new(session_id: 'nobody'))
rescue GRPC::NotFound
  puts 'no such session'
end

# A deadline that has passed already.
begin
  feedback.get_metrics(GetMetricsRequest.new, deadline: Time.now - 1)
rescue GRPC::DeadlineExceeded
  puts 'too late'
end

# No daemon.
away = FeedbackService::Stub.new("#{address}.away", :this_channel_is_insecure, timeout: 10)
begin
  away.add_feedback(AddFeedbackRequest.new(session_id: 'user-123'))
rescue GRPC::Unavailable
  puts 'the daemon is away: keep the feedback and its request_id, and try later'
end
