// This file lets dump.go declare a function without a body.
