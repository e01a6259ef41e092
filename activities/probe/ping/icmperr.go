package ping

import "fmt"

// icmp4 names an ICMP error (RFC 792, RFC 1122, RFC 1812).
func icmp4(kind, code byte) string {
	const unreachable, exceeded = 3, 11
	switch {
	case kind == unreachable:
		switch code {
		case 0, 6, 11:
			return "network unreachable"
		case 1, 7, 8, 12:
			return "host unreachable"
		case 2:
			return "protocol unreachable"
		case 9, 10, 13:
			return "prohibited by a filter"
		}
	case kind == exceeded:
		return "time to live exceeded: a routing loop"
	}
	return fmt.Sprintf("ICMP error %d/%d", kind, code)
}

// icmp6 names an ICMPv6 error (RFC 4443).
func icmp6(kind, code byte) string {
	const unreachable, tooBig, exceeded = 1, 2, 3
	switch {
	case kind == unreachable:
		switch code {
		case 0, 6:
			return "network unreachable"
		case 1, 5:
			return "prohibited by a filter"
		case 2, 3:
			return "host unreachable"
		}
	case kind == tooBig:
		return "packet too big"
	case kind == exceeded:
		return "hop limit exceeded: a routing loop"
	}
	return fmt.Sprintf("ICMPv6 error %d/%d", kind, code)
}
