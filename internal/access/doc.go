// Package access says who may come in: TLS, bearer tokens, users with passwords.
//
// It promises:
//   - what stands in files is read again when they change, and a mistake in them
//     keeps what was last read;
//   - a secret is compared in a time that does not depend on how much of it is
//     right;
//   - nothing of a secret is in an error or an answer.
package access
