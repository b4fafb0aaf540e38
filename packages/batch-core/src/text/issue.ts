/** One thing that is wrong with a request: `path` names the place (`items[3]`, `params.insert_leads`). */
export interface Issue {
  path: string;
  message: string;
}
