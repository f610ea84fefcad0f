// Package forwarder brings spans from the spool to Tempo, and gives a record of the spool up only once its spans are
// proven to be safe elsewhere.
//
// It promises:
//   - a record leaves the spool when each of its spans was found in a durable block (Options.Blocks), or, with a Tempo
//     whose blocks cannot be read, when it was acknowledged and Tempo has since had the time to write it to its own
//     disk without ending; or when Tempo itself said that it discarded the spans, which is counted by reason;
//   - there is no deadline after which data is dropped: what Tempo does not take, or does not show in time, is sent again;
//   - one bad span does not hold back those beside it, whatever Tempo answers to it: it is set aside in the spool, and
//     tried again from time to time;
//   - a tenant of which Tempo takes nothing, or little, does not hold back the others, but for one large record at a time
//     until its request has timed out, and up to what 4 MiB of memory can remember of its backlog;
//   - traces that a Tempo before 2.8.1 takes for one are not alive in it at once, where Options.TraceIdle says so;
//   - memory is bounded by the requests in flight, one large record that is sent (twice while it is read again, and what
//     is left of it for each time it is halved) and one that is compared with a block, a bit for each span that is sent
//     and not proven, and two words for each of half a million spans while a block is compared.
//
// Duplicates arise where an acknowledgement was lost or a proof came late. Tempo's readers see them as one span; the
// forwarder counts what it sends again.
package forwarder
