import { sweepOnOrder } from "../src/system/sweep-on-order.ts";
import { judgeOf, type TempFacts } from "./temp-policy.ts";

/* A sweeper of `clean-temp-files`: one that knows its policy, and so can do what is plain without being told how. */

sweepOnOrder((facts) => judgeOf(facts as TempFacts));
