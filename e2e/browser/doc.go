// Package browser looks at the pages of a real appliance with a real Chromium,
// Debian's, and with axe-core. SCREENSHOTS=DIR keeps the pictures of docs/.
package browser
