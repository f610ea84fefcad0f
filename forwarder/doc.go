// Package forwarder brings spans from the spool to a Tempo that runs elsewhere,
// and gives a record of the spool up only once its spans have settled there.
//
// Tempo acknowledges from memory, and its blocks cannot be read from here. So it
// promises:
//   - a record leaves the spool when Tempo acknowledged each of its spans and has
//     since had the time to write them to its disk (Options.Settle) without
//     ending; or when Tempo itself said that it refuses or discarded spans, which
//     is counted by reason. What Tempo may have lost by ending is sent again. A
//     Tempo whose end nothing shows can lose spans: see Target.Process;
//   - there is no deadline after which data is dropped: what Tempo does not take
//     is sent again;
//   - one bad span does not hold back those beside it, whatever Tempo answers to
//     it: it is set aside in the spool, and tried again from time to time;
//   - a tenant of which Tempo takes nothing, or little, does not hold back the
//     others, but for one large record at a time until its request has timed out,
//     and up to what 4 MiB of memory can remember of its backlog;
//   - Tempo is sent what it takes quickly, and no more: the requests in flight grow
//     by one and are halved, for each tenant by itself (lane), and wait for as long
//     as Tempo asks;
//   - traces that a Tempo before 2.8.1 takes for one are not alive in it at once,
//     where Options.TraceIdle says so;
//   - memory is bounded by the requests in flight, one large record that is sent
//     (twice while it is read again, and what is left of it for each time it is
//     halved), and some bytes for each record that is sent and has not settled.
//
// Duplicates arise where an acknowledgement was lost or Tempo ended. Tempo's
// readers see them as one span; the forwarder counts what it sends again.
package forwarder
