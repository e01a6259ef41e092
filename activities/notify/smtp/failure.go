package smtp

import (
	"errors"
	"net/textproto"
	"regexp"
	"strconv"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// failure says what is known after the dialogue broke at a step.
func (c *Channel) failure(at step, err error, addresses ...string) ledger.Outcome {
	o := ledger.Outcome{Provider: Provider, Message: c.scrub(err, addresses...)}
	var login *authError
	var reply *textproto.Error
	switch {
	case errors.Is(err, errNoTLS), errors.Is(err, errNoAuth):
		o.State, o.Class, o.Code, o.Wrote = ledger.Refused, ledger.ClassConfig, notify.AccountRefused, true
	case errors.As(err, &reply) && reply.Code >= 400:
		atLogin := errors.As(err, &login)
		return refusal(o, at, *reply, atLogin)
	case at == ending:
		o.State, o.Class, o.Wrote = ledger.Unknown, ledger.ClassAmbiguous, true
	default:
		o.State, o.Class = ledger.Retry, ledger.ClassRetry
	}
	return o
}

// refusal reads a reply that says no: for now, to this recipient, to this mail,
// or to us.
func refusal(o ledger.Outcome, at step, reply textproto.Error, atLogin bool) ledger.Outcome {
	enhanced := enhancedCode(reply.Msg)
	o.Code = strconv.Itoa(reply.Code)
	if enhanced != "" {
		o.Code += " " + enhanced
	}
	switch {
	case reply.Code == 421, reply.Code < 500 && at == connecting:
		// It serves nobody now: as good as no connection.
		o.State, o.Class = ledger.Retry, ledger.ClassRetry
		return o
	case reply.Code < 500:
		o.State, o.Class, o.Wrote = ledger.Retry, ledger.ClassRetry, true
		return o
	}
	o.State, o.Wrote = ledger.Refused, true
	switch {
	case atLogin, at == connecting, ofUs(reply.Code), at == sender && reply.Code != 552:
		o.Class, o.Code = ledger.ClassConfig, notify.AccountRefused
	case at == recipient:
		o.Class = recipientClass(reply.Code, enhanced)
	default:
		o.Class = contentClass(enhanced)
	}
	return o
}

// ofUs: the relay wants other credentials, or any (RFC 4954 §6).
func ofUs(code int) bool { return code == 530 || code == 534 || code == 535 || code == 538 }

// recipientClass sorts the refusals of a recipient by their enhanced code
// (RFC 3463), and by the plain one where there is none.
func recipientClass(code int, enhanced string) ledger.Class {
	switch {
	case enhanced == "5.1.7", enhanced == "5.1.8", subject(enhanced) == "7":
		return ledger.ClassConfig // our sender, or the relay's policy
	case enhanced == "5.2.2", enhanced == "" && code == 552:
		return ledger.ClassNext // the mailbox is full
	case subject(enhanced) == "1", subject(enhanced) == "2":
		return ledger.ClassDead
	case enhanced == "" && (code == 550 || code == 551 || code == 553):
		return ledger.ClassDead
	default:
		return ledger.ClassConfig
	}
}

// contentClass sorts the refusals of a whole mail: a relay that asks the
// recipient's server while it listens may tell of the mailbox only then.
func contentClass(enhanced string) ledger.Class {
	switch enhanced {
	case "5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.2.1":
		return ledger.ClassDead
	case "5.2.2":
		return ledger.ClassNext
	default:
		return ledger.ClassConfig
	}
}

var enhancedPattern = regexp.MustCompile(`^[245]\.(\d{1,3})\.\d{1,3}\b`)

func enhancedCode(text string) string { return enhancedPattern.FindString(text) }

// subject is the second part of an enhanced code: 1 address, 2 mailbox, 7 policy.
func subject(enhanced string) string {
	if m := enhancedPattern.FindStringSubmatch(enhanced); m != nil {
		return m[1]
	}
	return ""
}
