package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"vakhta/internal/lab/sandbox"
)

// A message is accepted, but the answer never reaches the sender: the inbox
// knows better.
func Example() {
	box, err := sandbox.New(sandbox.Config{TwilioSID: accountSID, TwilioToken: authToken})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	if err := box.Listen("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := box.AddFault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultReset, Count: 1}); err != nil {
		fmt.Println(err)
		return
	}
	form := url.Values{"To": {"+79990000001"}, "From": {"+15005550006"}, "Body": {"code A1B2C3"}}
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodPost, box.URL(sandbox.Twilio)+"/2010-04-01/Accounts/"+accountSID+"/Messages.json", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(accountSID, authToken)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	fmt.Println("the answer was lost:", err != nil)
	for _, it := range box.Inbox(sandbox.Query{To: "+79990000001"}) {
		fmt.Println("the recipient got:", it.Text)
	}
	// Output:
	// the answer was lost: true
	// the recipient got: code A1B2C3
}
