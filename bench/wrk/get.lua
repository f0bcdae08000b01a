-- Gets one path over and over, with the headers that wrk was given.

done = require("update").report
