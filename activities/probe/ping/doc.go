// Package ping asks thousands of hosts at once whether they answer an ICMP
// echo request, through one socket per address family.
//
//	s, err := ping.Open(ping.IPv4)
//	defer s.Close()
//	replies := s.Ping(ctx, addresses, ping.Options{Attempts: 3, Gap: 100 * time.Millisecond, Linger: 100 * time.Millisecond})
//
// A host gets its attempts Gap apart, none once it has answered. Replies are
// told apart by the kernel's id, the sequence number, the source's address and
// a payload with a random token, the host's number, the attempt and the time
// of sending, so that neither 65,536 ids nor 65,536 sequence numbers bound the
// number of hosts.
//
// What the network says of a host is [Silent]; trouble of our own (no route,
// full queues, a firewall on this machine, a cancelled context) is [Untold].
package ping
