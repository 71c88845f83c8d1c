// Package classify names the cause of a failed delivery or of a refused client.
//
// In: the text that a mail server logged (its own words, or the reply of the
// other side), the enhanced status code and the SMTP reply code, as far as
// they are known. Out: one mta.Cause.
//
// Promises:
//
//   - The words of the text decide first, then the enhanced code, then the
//     SMTP code. Codes never overrule clear words.
//   - A name inside the text does not decide: mail addresses, anything in
//     angle brackets, host names, IP addresses and bare numbers are not read as
//     words. Only the names of known blocklists and help pages are read in host
//     names and URLs, and not in the name of the host that spoke.
//   - A failure text that nothing fits is mta.CauseOther, never mta.CauseNone.
//   - The rules are data: each has an example that the tests run.
//   - Cause allocates nothing, looks at each byte a fixed number of times, and
//     does not panic on any input.
//
// Some texts read the same on both sides of a connection, such as
// "452 4.3.1 Insufficient system storage". After "host NAME said:" or another
// mark of a remote reply they tell of the other side (remote-unavailable);
// alone they are what our own server told a client (local-resource).
package classify
