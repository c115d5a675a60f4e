# Stores feedback on two answers, lists it, measures it, and keeps which variant of a prompt the
# session saw.
#
#   ruby -I GENERATED basic.rb SOCKET

require 'google/protobuf/well_known_types'
require 'grpc'
require 'securerandom'
require 'feedback/v1/feedback_services_pb'
require 'feedback/v1/session_services_pb'

include Feedback::V1

abort 'usage: basic.rb SOCKET' unless ARGV.size == 1
# gRPC's own default is to wait forever.
options = { timeout: 10 }
address = "unix:#{ARGV[0]}"
feedback = FeedbackService::Stub.new(address, :this_channel_is_insecure, **options)
session = SessionService::Stub.new(address, :this_channel_is_insecure, **options)

# With a request_id, a call that ended with UNAVAILABLE or DEADLINE_EXCEEDED can be repeated as it
# is: nothing is stored twice.
feedback.add_feedback(
  AddFeedbackRequest.new(
    session_id: 'user-123', rating: :RATING_UP, comment: 'Very helpful response!',
    request_id: SecureRandom.uuid
  )
)
feedback.add_feedback(
  AddFeedbackRequest.new(
    session_id: 'user-123', rating: :RATING_DOWN, comment: 'Too slow 🐌',
    request_id: SecureRandom.uuid, message_id: 'message-2', tags: ['latency']
  )
)

list = ListFeedbacksRequest.new(session_id: 'user-123')
loop do
  page = feedback.list_feedbacks(list)
  page.feedbacks.each { |one| puts "#{one.rating}: #{one.comment}" }
  break if page.next_page_token.empty?

  list.page_token = page.next_page_token
end

metrics = feedback.get_metrics(GetMetricsRequest.new(session_id: 'user-123')).metrics
puts "#{metrics.positive} of #{metrics.total} are up, #{metrics.satisfaction_rate.round} %"

metadata = session.update_metadata(
  UpdateMetadataRequest.new(
    session_id: 'user-123', metadata: Google::Protobuf::Struct.from_hash('variant' => 'B')
  )
).metadata
puts "variant #{metadata['variant']}"
