-- Gets one path repeatedly, with wrk's headers.

done = require("update").report
