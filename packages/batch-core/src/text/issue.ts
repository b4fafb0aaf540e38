/** One fault of a request. `path` names the place, for example `items[3]` or `params.insert_leads`. */
export interface Issue {
  path: string;
  message: string;
}
