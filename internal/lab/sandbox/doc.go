// Package sandbox stands in for the paid providers: SendGrid's v3 mail send and
// signed event webhook, Twilio's Messages and Calls with signed status
// callbacks and a phone that answers, the Telegram Bot API with buttons, and a
// mail relay that speaks SMTP.
// The providers' own client libraries work against it unchanged but for the
// host; requests that break a published rule get the provider's published error.
//
// It knows nothing of Vakhta: what it counts in its inbox is what a recipient
// would have got, which is what "none lost, none doubled" is measured by. It
// imports the standard library and a server for SMTP only.
//
// # The providers
//
//	POST /v3/mail/send                                   SendGrid
//	POST|GET /2010-04-01/Accounts/{sid}/Messages.json    Twilio; GET .../Messages/{sid}.json
//	POST|GET /2010-04-01/Accounts/{sid}/Calls.json       Twilio; GET, POST .../Calls/{sid}.json
//	/bot{token}/{method}                                 Telegram: getMe, sendMessage, editMessageText,
//	                                                     editMessageReplyMarkup, answerCallbackQuery,
//	                                                     setWebhook, deleteWebhook, getWebhookInfo, getUpdates
//	POST /smsgate/send, GET /smsgate/messages            an SMS gateway such as regional ones are
//	smtp://                                              the mail relay, with Listen only: STARTTLS (see RelayRoots), AUTH PLAIN
//
// The event webhook is repeated until it is answered 2xx; so are Telegram's
// updates, in sequence per chat. Twilio repeats a callback once and only if no
// connection came about, unless the callback URL's fragment asks for more, as in
// https://gateway/twilio#rc=5&rp=all (Twilio's connection overrides).
//
// # The control API
//
// It has the methods of Sandbox over HTTP, for the demo and for other processes.
//
//	GET    /                                   the inbox as a page; ?channel= ?to= ?refresh=seconds
//	GET    /_sandbox/inbox                     items; ?to= ?channel= ?since= ?after=seq ?limit=
//	DELETE /_sandbox/inbox
//	GET    /_sandbox/counts                    multiplicities; ?key=regexp or ?arg=custom argument; ?min=2
//	GET    /_sandbox/events                    changes; ?after=n ?wait=10s; or Accept: text/event-stream
//	GET    /_sandbox/personas                  by address, "*" is everybody else
//	PUT    /_sandbox/personas                  {"+79990000001":{"phone":{"answer":"voicemail"}},"*":{"telegram":{"press":"ack:","after":"2s"}}}
//	DELETE /_sandbox/personas
//	GET    /_sandbox/faults
//	PUT    /_sandbox/faults                    {"provider":"twilio","kind":"accept-then-hang","count":1} answers {"id":"f1"}
//	DELETE /_sandbox/faults, /_sandbox/faults/{id}
//	POST   /_sandbox/telegram/messages         {"chat":700100200,"text":"my server is down"}
//	POST   /_sandbox/telegram/buttons          {"id":"700100200/3","data":"ack:A1B2C3"}
//	POST   /_sandbox/sms/inbound               {"from":"+15550001111","to":"+15005550006","body":"A1B2C3"}
//	GET    /_sandbox/sendgrid/verification-key
package sandbox
