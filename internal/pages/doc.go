// Package pages shows traces, services and the appliance itself in a browser.
//
// It promises:
//   - everything works without JavaScript, by keyboard and with a screen reader,
//     from 400 px on, in light and dark;
//   - a page asks for nothing from elsewhere, and its Content-Security-Policy
//     allows nothing else;
//   - whatever a client sent is shown as text: isolated from the direction of
//     the text around it, without what cannot be printed, cut where it is long;
//   - a page has a bound, whatever the trace is: LinesPerPage spans;
//   - each page says what it does not know.
package pages
