package notifytest

import (
	"bufio"
	"net"
	"net/http"
)

// readRequest reads the head of one request; its body is read by the caller.
func readRequest(c net.Conn) (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(c))
}
