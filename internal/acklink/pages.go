package acklink

// Pages makes the addresses of the pages that messages point to.
type Pages struct {
	Signer Signer
	URL    string // of the gateway, no slash at the end
}

// Feed is the calendar of a client's planned work.
func (p Pages) Feed(client string) string { return p.URL + "/c/" + p.Signer.Feed(client) + ".ics" }

// Ack is the page on which a contact confirms that he read a notification.
func (p Pages) Ack(notification, contact string) string {
	return p.URL + "/a/" + p.Signer.Sign(notification, contact)
}
