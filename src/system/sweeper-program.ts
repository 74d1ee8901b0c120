import { sweepOnOrder } from "./sweep-on-order.ts";

/* A sweeper that knows no policy: it tells all that it finds. */

sweepOnOrder();
